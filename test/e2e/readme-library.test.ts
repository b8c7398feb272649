/** What README shows of the library, exactly as it stands there: type-checked, and run on a host. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writePcap } from '../../src/observe/pcap';
import { sendFrames, serve, tcpConnect } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { compose, ethernet, ipv4, tcp } from '../support/packet';
import { must } from '../support/process';

const ROOT = resolve(__dirname, '../..');

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('library');
});

afterEach(() => host.close());

/** The one TypeScript block behind the heading. */
function snippet(): string {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const chapter = readme.slice(readme.indexOf('### As a library'));
  return /^```ts\n(.*?)^```$/ms.exec(chapter)![1];
}

test('it compiles in strict mode, and does what it says', async () => {
  // As in a project that has sluice installed.
  mkdirSync(join(host.directory, 'node_modules'));
  symlinkSync(ROOT, join(host.directory, 'node_modules/sluice'));
  symlinkSync(join(ROOT, 'node_modules/@types'), join(host.directory, 'node_modules/@types'));
  host.write('snippet.mts', snippet());
  const compilerOptions = { strict: true, module: 'nodenext', target: 'es2023', types: ['node'] };
  host.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['snippet.mts'] }));
  must([process.execPath, join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', host.directory]);

  await serve(host.edge, ['tcp:8000', 'tcp:8001']);
  host.write('rules.yaml', 'version: 1\ninterfaces: [eth0]\ninbound: { default: deny, rules: [allow 8000/tcp] }\n');
  const frames = [8000, 8001].map((to) =>
    compose(ethernet({ to: HOST.mac }), ipv4({ to: HOST.ipv4 }), tcp({ to, flags: ['ack'] })),
  );
  writeFileSync(join(host.directory, 'some.pcap'), writePcap(frames.map((bytes) => ({ bytes }))));
  const run = (): Promise<{ status: number; stdout: string; stderr: string }> =>
    host.command(['sh', '-c', `cd '${host.directory}' && exec '${process.execPath}' snippet.mjs`]);
  const first = await run();
  expect(first).toMatchObject({ status: 0, stderr: '' });
  expect(first.stdout).toMatch(
    /verdict: 'allow'[\s\S]*verdict: 'deny'[\s\S]*generation 1\n2 banned\n\{ seen: '0', allowed: '0', denied: '0' \}\n$/,
  );
  expect(await tcpConnect(host.wire, HOST.ipv4, 8000)).toBe('connected');
  expect(await tcpConnect(host.wire, HOST.ipv4, 8001)).toBe('timeout');
  expect(await host.must('bans')).toMatch(/^198\.51\.100\.66\b.*\n2001:db8:bad::\/48\b/m);
  await sendFrames(host.wire, NEIGHBOUR.link, frames);
  const second = await run();
  expect(second).toMatchObject({ status: 0, stderr: '' });
  expect(second.stdout).toContain(`denied: '${(await host.status()).packets.denied}' }`);

  host.write('rules.yaml', 'version: 1\ninbound: { rules: [alow 8000/tcp] }\n');
  const broken = await run();
  expect(broken.status).toBe(1);
  expect(broken.stderr).toContain('error parse/action');
});
