/** `sluice ci`: a ruleset is enforced on a link of its own, tried with real packets, and taken away with everything else. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SluiceError } from '../kernel/errors';
import type { AttachMode } from '../model/ruleset';
import { GENERATION_PINS } from '../load/generations';
import { applyRuleset } from './apply';
import { disable } from './disable';
import { openContext } from './context';
import type { Candidate } from './enforce';
import { readEnforcement } from './enforcement';
import { FILTERED_DEVICE, PrivateLink } from './private-link';
import { rehearse, type Rehearsed } from './rehearse';
import { removeFoldersOfTheDead } from './throwaway';

const WORK = 'sluice-ci-';

/** What a run showed. */
export interface CiOutcome {
  readonly rehearsed: readonly Rehearsed[];
  /** Frames that were sent, as many as were counted. */
  readonly frames: number;
  /** How the link was filtered. */
  readonly mode: Exclude<AttachMode, 'auto'>;
}

/**
 * Applies the candidate to a private link and sends up to `most` packets of each expectation. Nothing outside is touched;
 * a signal ends it at the next packet, and the process once all it made is gone. What a run that was killed left goes
 * with the next one.
 */
export async function runCi(candidate: Candidate, most: number): Promise<CiOutcome> {
  let interrupted: NodeJS.Signals | undefined;
  const interrupt = (signal: NodeJS.Signals): void => {
    interrupted = signal;
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    return await onPrivateLink(candidate, most, () => {
      if (interrupted) throw new SluiceError('ci/interrupted', `interrupted by ${interrupted}`);
    });
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    if (interrupted) process.kill(process.pid, interrupted);
  }
}

async function onPrivateLink(candidate: Candidate, most: number, goOn: () => void): Promise<CiOutcome> {
  const { kernel } = await openContext();
  removeFoldersOfTheDead(WORK);
  const link = await PrivateLink.make(kernel);
  const work = mkdtempSync(join(tmpdir(), `${WORK}${process.pid}-`));
  try {
    const opened = await openContext({ netns: link.filtered.netns });
    // State of its own: nothing of this is history of the machine.
    const context = { ...opened, folder: { path: join(work, 'state') } };
    try {
      // Nobody is cut off there, so that nobody is asked: whose SSH session this is does not matter.
      await applyRuleset(
        context,
        { ...candidate, interfaceOverride: [FILTERED_DEVICE], ruleset: onDevice(candidate) },
        { force: true },
      );
      const enforcement = await readEnforcement(context);
      const attachment = enforcement?.attachments[0];
      if (!enforcement || !attachment) throw new SluiceError('ci/namespace', 'the link went away while it was tried');
      const path = join(context.pins.generation(enforcement.generation), GENERATION_PINS.counters);
      const counters = kernel.openPinnedMap(path);
      try {
        const { ruleset, image } = candidate;
        const tried = await rehearse(context, link, { ruleset, ranks: image.ranks, counters }, { most, goOn });
        return { ...tried, mode: attachment.mode };
      } finally {
        counters.close();
      }
    } finally {
      await disable(context);
    }
  } finally {
    link.remove();
    rmSync(work, { recursive: true, force: true });
  }
}

function onDevice({ ruleset }: Candidate): Candidate['ruleset'] {
  return { ...ruleset, interfaces: [FILTERED_DEVICE] };
}
