/** `status --watch --json` is a stream: a document a line, for as long as somebody reads. */
import type { Snapshot } from '../../src/observe/snapshot';
import { sendFrames } from '../support/clients';
import { COMMAND, EdgeHost, HOST } from '../support/edge-host';
import { compose, ethernet, ipv4, udp } from '../support/packet';

interface Line {
  readonly schemaVersion: number;
  readonly ok: boolean;
  readonly snapshot: Snapshot;
}

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('watch');
  host.write('rules.yaml', 'version: 1\ninterfaces: [eth0]\ninbound: { default: deny }\n');
  await host.must('enable');
});

afterEach(() => host.close());

test('each line is a document, and later ones count on', async () => {
  const watching = host.startSluice(['status', '--watch', '--json']);
  await watching.waitFor(/\n.*\n/);
  await sendFrames(host.wire, HOST.link, [compose(ethernet({ to: HOST.mac }), ipv4(), udp())]);
  const lines = (): Line[] =>
    watching.output
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  const found = async (): Promise<Line[]> => {
    for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
      if (lines().at(-1)!.snapshot.packets.seen === '1') return lines();
      await new Promise((done) => setTimeout(done, 100));
    }
    return lines();
  };
  const documents = await found();
  await watching.stop();
  expect(documents.map(({ ok, schemaVersion }) => [ok, schemaVersion])).toEqual(documents.map(() => [true, 1]));
  expect([documents[0], documents.at(-1)!].map(({ snapshot }) => snapshot.packets.seen)).toEqual(['0', '1']);
});

test('it ends when nobody reads any more, and without --watch the document has lines', async () => {
  const { stdout } = await host.edge.run(
    ['bash', '-c', '"$@" status --watch --json | head -n 2; echo "${PIPESTATUS[0]}"', '-', process.execPath, COMMAND],
    { env: host.environment },
  );
  const [first, second, status] = stdout.split('\n');
  for (const line of [first, second]) expect(JSON.parse(line)).toMatchObject({ ok: true, exitCode: 0 });
  expect(status).toBe('0');
  expect((await host.must('status', '--json')).split('\n').length).toBeGreaterThan(10);
});
