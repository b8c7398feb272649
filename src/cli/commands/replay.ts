import { type Command, Option } from 'commander';
import { readFileSync } from 'node:fs';
import { readCapture } from '../../observe/pcap';
import { replay } from '../../observe/replay';
import { Twin } from '../../observe/twin';
import { requireCapabilities } from '../../kernel/capabilities';
import { kernel as openKernel } from '../../kernel/native';
import { fileError } from '../../operate/system-error';
import { requireCandidate } from '../candidate';
import { EXIT, type ExitCode } from '../exit-code';
import { onRun } from '../run';

export function register(program: Command): void {
  const command = program
    .command('replay')
    .description('judge every packet of a capture, as JSON lines; nothing is attached')
    .argument('[file]', 'ruleset file')
    .requiredOption('--pcap <capture>', 'pcap or pcapng file of Ethernet frames')
    .addOption(new Option('--model', 'by the scan alone; needs no privilege').conflicts('kernel'))
    .option('--kernel', 'by the datapath alone');
  onRun<{ pcap: string; model?: boolean; kernel?: boolean }>(
    command,
    async (run, file: string | undefined): Promise<ExitCode> => {
      if (!run.options.model) requireCapabilities();
      const { ruleset, image } = requireCandidate(run, await run.readText(file), 'nothing was replayed.');
      const { frames } = readCapture(readCaptureFile(run.options.pcap));
      const twin = run.options.model ? null : await Twin.load(openKernel(), image, image);
      let disagreements = 0;
      try {
        const bytes = frames.map((frame) => frame.bytes);
        for await (const { line, disagreement } of replay(ruleset, bytes, twin, { model: !run.options.kernel })) {
          if (run.output.unread) break;
          run.output.streamLine(line);
          if (!disagreement) continue;
          disagreements++;
          const { model, kernel } = disagreement;
          process.stderr.write(
            `error: packet ${line.packet}: the model says ${JSON.stringify(model)}, the datapath ${JSON.stringify(kernel)}\n`,
          );
        }
      } finally {
        twin?.close();
      }
      return disagreements > 0 ? EXIT.SYSTEM : EXIT.DONE;
    },
  );
}

function readCaptureFile(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw fileError('capture/read', 'read', file, error);
  }
}
