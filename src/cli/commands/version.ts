import type { Command } from 'commander';
import { release } from 'node:os';
import { SLC_ABI_VERSION } from '../../abi/layout.gen';
import { probeFeatures } from '../../kernel/features';
import { kernel as openKernel } from '../../kernel/native';
import { packageVersion } from '../package-version';
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
    for (const { name, answer, since, detail } of features) {
      run.output.line(
        `  ${name.padEnd(12)} ${answer}${answer === 'supported' ? '' : ` (needs Linux ${since})`}${detail === undefined ? '' : `: ${detail}`}`,
      );
    }
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
