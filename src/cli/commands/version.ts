import type { Command } from 'commander';
import { release } from 'node:os';
import { SLC_ABI_VERSION } from '../../abi/layout.gen';
import { type Feature, probeFeatures } from '../../kernel/features';
import { kernel as openKernel } from '../../kernel/native';
import { packageVersion } from '../../operate/package-version';
import { onRun } from '../run';

export function register(program: Command): void {
  const command = program
    .command('version')
    .description('versions of sluice, its layout, libbpf and the kernel, and what the kernel offers');
  onRun(command, async (run) => {
    const libbpf = openKernel().libbpfVersion();
    const features = await probeFeatures();
    run.output.line(
      `sluice ${packageVersion()}, layout ${SLC_ABI_VERSION}, libbpf ${libbpf}, Linux ${release()}, Node ${process.version}`,
    );
    for (const line of featureLines(features)) run.output.line(line);
    run.output.document({
      version: packageVersion(),
      abi: SLC_ABI_VERSION,
      libbpf,
      kernel: release(),
      node: process.version,
      features,
    });
    return undefined;
  });
}

/** A line a feature; those that have no answer for the same reason share theirs. */
function featureLines(features: readonly Feature[]): string[] {
  const answered = features.filter(({ answer }) => answer !== 'unknown');
  const open = features.filter(({ answer }) => answer === 'unknown');
  const reasons = [...new Set(open.map(({ detail }) => detail))];
  return [
    ...answered.map(({ name, answer, since, detail }) => {
      const missing = answer === 'supported' ? '' : ` (needs Linux ${since})`;
      return `  ${name.padEnd(12)} ${answer}${missing}${detail === undefined ? '' : `: ${detail}`}`;
    }),
    ...reasons.map((reason) => {
      const names = open.filter(({ detail }) => detail === reason).map(({ name }) => name);
      return `  not known: ${names.join(', ')}${reason === undefined ? '' : ` (${reason})`}`;
    }),
  ];
}
