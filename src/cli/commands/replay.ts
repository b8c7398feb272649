import { type Command, InvalidArgumentError, Option } from 'commander';
import { readFileSync } from 'node:fs';
import type { Prefix } from '../../model/prefix';
import { readCapture } from '../../observe/pcap';
import { type Disagreement, replay, type ReplayJudges, type ReplayLine } from '../../observe/replay';
import { Twin } from '../../observe/twin';
import { requireCapabilities } from '../../kernel/capabilities';
import { kernel as openKernel } from '../../kernel/native';
import { fileError } from '../../operate/system-error';
import { parseAddressText } from '../../parse/address';
import { requireCandidate } from '../candidate';
import { EXIT, type ExitCode } from '../exit-code';
import { onRun, type Run } from '../run';
import { addServerOption, type ServerOption } from '../server-option';

interface Options extends ServerOption {
  readonly pcap: string;
  readonly model?: boolean;
  readonly kernel?: boolean;
  readonly local?: readonly Prefix[];
  readonly exitCode?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('replay')
    .description(
      'judge every packet of a capture, as JSON lines; with a second ruleset only what that judges otherwise',
    )
    .argument('[file]', 'ruleset file')
    .argument('[other]', 'ruleset file to compare it with')
    .requiredOption('--pcap <capture>', 'pcap or pcapng file of Ethernet frames')
    .addOption(
      new Option('--local <address>', 'packets from there go out, all others come in; may be repeated').argParser(
        readLocal,
      ),
    )
    .addOption(new Option('--model', 'by the scan alone; needs no privilege').conflicts('kernel'))
    .option('--kernel', 'by the datapath alone')
    .option('--exit-code', 'with a second ruleset: exit 4 when it judges a packet otherwise');
  addServerOption(command, 'print only packets that this server judges');
  onRun<Options>(command, async (run, file: string | undefined, other: string | undefined): Promise<ExitCode> => {
    const { model, pcap, local, exitCode } = run.options;
    if (!model) requireCapabilities();
    const opened: ReplayJudges[] = [];
    try {
      for (const named of other === undefined ? [file] : [file, other]) opened.push(await openJudges(run, named));
      const frames = readCapture(readCaptureFile(pcap)).frames.map(({ bytes }) => bytes);
      const [first, second] = opened.map((judges) => replay(judges, frames, local));
      if (other === undefined) return (await printAll(run, first)) ? EXIT.DONE : EXIT.SYSTEM;
      const { differ, agreed } = await printDifferent(run, first, second);
      run.output.say(`${differ} of ${frames.length} packets get another verdict`);
      if (!agreed) return EXIT.SYSTEM;
      return exitCode && differ > 0 ? EXIT.DIFFERENCE : EXIT.DONE;
    } finally {
      for (const { twins } of opened) for (const twin of Object.values(twins ?? {})) twin.close();
    }
  });
}

type Replayed = ReturnType<typeof replay>;

/** Prints a line a packet; whether model and datapath agreed on all of them. */
async function printAll(run: Run<Options>, replayed: Replayed): Promise<boolean> {
  let agreed = true;
  for await (const { line, disagreement } of replayed) {
    if (run.output.unread) break;
    if (isOf(run.options, line)) run.output.streamLine(line);
    if (disagreement) agreed = tellDisagreement(disagreement);
  }
  return agreed;
}

/** Prints packets that get another verdict, with both. */
async function printDifferent(
  run: Run<Options>,
  first: Replayed,
  second: Replayed,
): Promise<{ differ: number; agreed: boolean }> {
  let differ = 0;
  let agreed = true;
  for await (const { line, disagreement } of first) {
    const { value: other } = await second.next();
    if (!other) break;
    for (const found of [disagreement, other.disagreement]) if (found) agreed = tellDisagreement(found);
    if (line.verdict === other.line.verdict) continue;
    if (!isOf(run.options, line) && !isOf(run.options, other.line)) continue;
    differ++;
    run.output.streamLine({ packet: line.packet, from: withoutNumber(line), to: withoutNumber(other.line) });
    if (run.output.unread) break;
  }
  return { differ, agreed };
}

function isOf({ server }: ServerOption, { section }: ReplayLine): boolean {
  return server === undefined || section === server;
}

function withoutNumber({ section, verdict, tier, reason, rule }: ReplayLine): Omit<ReplayLine, 'packet'> {
  return { section, verdict, tier, reason, rule };
}

function tellDisagreement({ packet, model, kernel }: Disagreement): false {
  process.stderr.write(
    `error: packet ${packet}: the model says ${JSON.stringify(model)}, the datapath ${JSON.stringify(kernel)}\n`,
  );
  return false;
}

/** The caller closes the twins. */
async function openJudges(run: Run<Options>, file: string | undefined): Promise<ReplayJudges> {
  const { ruleset, image } = await requireCandidate(run, await run.readText(file), 'nothing was replayed.');
  const byModel = !run.options.kernel;
  if (run.options.model) return { ruleset, twins: null, byModel };
  const kernel = openKernel();
  const comesIn = await Twin.load(kernel, image, image, 'in');
  try {
    return { ruleset, twins: { in: comesIn, out: await Twin.load(kernel, image, image, 'out') }, byModel };
  } catch (error) {
    comesIn.close();
    throw error;
  }
}

function readLocal(text: string, before: readonly Prefix[] | undefined): readonly Prefix[] {
  const reading = parseAddressText(text);
  if (reading.kind !== 'prefix') throw new InvalidArgumentError(`${reading.problem.message}.`);
  return [...(before ?? []), reading.prefix];
}

function readCaptureFile(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw fileError('capture/read', 'read', file, error);
  }
}
