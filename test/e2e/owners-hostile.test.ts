/** What no owner can do to another, to his provider, or to the daemon, through the real sockets of a real daemon. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tcpConnect } from '../support/clients';
import { type EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { type Answer, codeOf, OwnersStand } from '../support/owners-stand';

let stand: OwnersStand;
let host: EdgeHost;

beforeAll(async () => {
  stand = await OwnersStand.open('owners-hostile');
  ({ host } = stand);
});

afterAll(() => stand.close());

test('who asks too often is refused, and only he', async () => {
  const question = '{"version":1,"verb":"events"}\n';
  let refused: Answer | null = null;
  for (let round = 0; round < 100 && !refused; round++) {
    const answers = await Promise.all(Array.from({ length: 12 }, () => stand.sendOnce('red', question)));
    refused = answers.find((answer) => codeOf(answer) === 'owner/rate') ?? null;
  }
  expect(refused!.error).toEqual({
    ...{ code: 'owner/rate', message: 'you asked 20 times within a second, the most there can be' },
    hint: 'nothing was changed; ask again in a second',
  });
  expect(codeOf(await stand.sendOnce('green', question))).toBe('ok');
  await stand.until('his next second', async () => codeOf(await stand.sendOnce('red', question)) === 'ok');
});

test('what is the provider’s is refused in one sentence', async () => {
  for (const [words, why] of [
    [['apply'], /"apply" is the provider's: through a socket there are status/],
    [['disable'], /"disable" is the provider's/],
    [['ban', '192.0.2.1'], /"ban" is the provider's/],
    [['logging', 'full'], /"logging" is the provider's/],
    [['allow', '1044/tcp', '--force'], /--force is the provider's/],
    [['allow', '1044/tcp', '--server', 'green'], /--server is the provider's/],
    [['allow', '1044/tcp', '--confirm', '2h'], /--confirm "2h" is more than 1 h/],
    [['confirm', '--server', 'red'], /--server is the provider's/],
    [['rollback', '--confirm', '60s'], /"rollback" alone changes no rows/],
    [['allow', 'log', '1044/tcp'], /what is told of packets is the provider’s to say/],
    [
      ['allow', 'from', 'office', 'to', 'any', 'port', '1044'],
      /parse\/address: "office" is not an address[^]*sets are the provider’s/,
    ],
    [['default', 'deny', 'outgoing'], /no default of its own/],
  ] as const) {
    const { status, stderr } = await stand.as('red', ...words);
    expect([words, status === 0, stderr]).toEqual([words, false, expect.stringMatching(why) as string]);
  }
});

test('hostile rows and quotas change nothing of another server, nor of the daemon', async () => {
  const before = await stand.greenIs();
  const text = readFileSync(join(host.directory, 'rules.yaml'), 'utf8');
  const many = (n: number, of: (i: number) => string): string => Array.from({ length: n }, (_, i) => of(i)).join(',');
  for (const [words, code] of [
    // Others' ports and addresses: nothing is left of the row in his server.
    [['allow', '2080/tcp'], 'owner/ruleset'],
    [['deny', 'from', 'any', 'to', '198.51.100.9'], 'owner/ruleset'],
    [['insert', '1', 'deny', 'out', '80/tcp'], 'owner/ruleset'],
    // Ids that collide.
    [['allow', '1034/tcp', 'id', 'hall'], 'owner/ruleset'],
    [['allow', '1034/tcp', 'id', 'green/x'], 'owner/ruleset'],
    // Much in one row.
    [['allow', 'from', many(21, (i) => `10.0.${i}.1`), 'to', 'any', 'port', '1034'], 'owner/quota'],
    [['allow', 'from', many(7, (i) => `10.0.${i}.1`), 'to', 'any', 'port', '1034,1036,1038'], 'owner/quota'],
    [['allow', 'from', 'any', 'port', many(30, (i) => String(1 + 2 * i))], 'owner/quota'],
    [['ssh', many(22, (i) => String(1001 + 2 * i))], 'owner/quota'],
    // Much that is read only to be refused.
    [['ssh', ...Array.from({ length: 15 }, () => ' '.repeat(4000))], 'cli/usage'],
    [['explain', ...Array.from({ length: 15 }, () => "'".repeat(4000))], 'cli/usage'],
  ] as const)
    expect([words, codeOf(await stand.ask('red', ...(words as readonly [string, ...string[]])))]).toEqual([
      words,
      code,
    ]);
  const wrong = await stand.ask('red', 'allow', ...Array.from({ length: 15 }, () => '1 '.repeat(2000)));
  expect([codeOf(wrong), (wrong.findings as unknown[]).length]).toEqual(['owner/ruleset', 100]);
  expect(wrong.lines).toEqual([expect.stringMatching(/^of \d+ findings the first 100 are told$/)]);
  // What is written around a row stays one row: no line, no key and no comment of YAML comes of it.
  for (const word of ['1034/tcp\n      - allow any', '1034/tcp\u2028x', '\u0000', '\u001b[2J'])
    expect(codeOf(await stand.ask('red', 'allow', word))).toBe('owner/request');
  for (const words of [
    ['1034/tcp }'],
    ['1034/tcp', ']'],
    ['"1034/tcp', ': &a'],
    ['*a'],
    ['!!js/function', '1'],
    ['1034/tcp #'],
  ])
    expect([words, codeOf(await stand.ask('red', 'allow', ...words))]).toEqual([
      words,
      words[0].endsWith('#') ? 'ok' : expect.stringMatching(/owner\/ruleset|cli\/usage/),
    ]);
  expect(codeOf(await stand.ask('red', 'delete', '3'))).toBe('ok');
  expect(readFileSync(join(host.directory, 'rules.yaml'), 'utf8').replace(/ id tcp-1034.*/, '')).toBe(text);
  // His ninth row is one too many; what he is told is his own use.
  for (let i = 0; i < 6; i++) expect(codeOf(await stand.ask('red', 'allow', `${1040 + i}/tcp`))).toBe('ok');
  const ninth = await stand.ask('red', 'allow', '1050/tcp');
  expect(ninth.error).toEqual({
    ...{ code: 'owner/quota', message: 'with this you had 9 rules, at most 8 are yours' },
    hint: 'nothing was changed; you have 8 now',
  });
  for (let i = 0; i < 6; i++) expect(codeOf(await stand.ask('red', 'delete', '3'))).toBe('ok');
  expect(await stand.greenIs()).toEqual(before);
});

test('what he writes moves no cursor and hides no letter where his provider reads it', async () => {
  // Of the characters that are not seen, those that a note may hold: joined emoji do.
  const odd = 'pay\u200dpal\u00ad\u200b\ufeff\u{e0041}';
  const request = { version: 1, verb: 'allow', words: ['1047/tcp', 'comment', odd], message: odd };
  expect(codeOf(await stand.send('red', `${JSON.stringify(request)}\n`))).toBe('ok');
  for (const words of [
    ...[['status', 'red', 'verbose'], ['status', '--json'], ['snapshot', 'red'], ['servers'], ['check'], ['fmt']],
    ...[
      ['history', 'red'],
      ['history', '--json'],
      ['metrics'],
      ['explain', 'tcp', 'from', '192.0.2.1', 'to', HOST.ipv4, 'port', '1047'],
    ],
  ]) {
    const { stdout, stderr } = await host.sluice(words);
    expect([words, /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}]/u.exec(stdout + stderr)]).toEqual([words, null]);
  }
  expect(stand.daemon.output).not.toMatch(/\p{Cf}/u);
  expect(codeOf(await stand.ask('red', 'delete', 'tcp-1047'))).toBe('ok');
});

test('half, huge, slow and countless requests are let go of, and the other socket answers meanwhile', async () => {
  expect(codeOf(await stand.send('red', 'nonsense\n'))).toBe('owner/request');
  expect(codeOf(await stand.send('red', '{"version":1,"verb":"status","__proto__":{}}\n'))).toBe('owner/request');
  expect(codeOf(await stand.send('red', '{"version":1,"verb":"status","words":[1]}\n'))).toBe('owner/request');
  expect(codeOf(await stand.send('red', '{"version":1,"verb":"apply"}\n'))).toBe('owner/request');
  expect(codeOf(await stand.send('red', Buffer.from([0xff, 0xfe, 10])))).toBe('owner/request');
  expect(codeOf(await stand.send('red', `${'['.repeat(60_000)}\n`))).toBe('owner/request');
  expect((await stand.send('red', 'x'.repeat(1 << 20)))!.error!.message).toMatch(/longer than 65536 bytes/);
  // Half a request whose sender stops is answered at once; no request at all is no error.
  expect(codeOf(await stand.send('red', '{"version":1,'))).toBe('owner/request');
  expect(await stand.send('red', '')).toBeNull();
  // A thousand who say nothing: sixteen are listened to, for a while.
  const idle = Array.from({ length: 1000 }, () => stand.send('red', '{', false));
  const answers = Promise.all(idle);
  expect(codeOf(await stand.ask('green', 'status'))).toBe('ok');
  const codes = (await answers).map((answer) => codeOf(answer) ?? 'gone');
  expect(codes.filter((code) => !['owner/busy', 'owner/request', 'EAGAIN', 'gone'].includes(code))).toEqual([]);
  expect(codes.filter((code) => code === 'owner/request').length).toBeGreaterThanOrEqual(16);
  expect(codes).toContain('owner/busy');
  await stand.until('room again', async () => codeOf(await stand.ask('red', 'status')) === 'ok');
  expect(stand.daemon.running).toBe(true);
});

test('who changes too often is refused, and only he', async () => {
  const path = join(host.directory, 'rules.yaml');
  writeFileSync(path, readFileSync(path, 'utf8').replace('entries: 20, changes: 500', 'entries: 20, changes: 1'));
  await host.must('apply');
  // One that changes nothing is one that was tried; however slow the machine, two come within a minute.
  let refused = await stand.ask('red', 'udp', 'on');
  for (let i = 0; i < 20 && refused.ok; i++) refused = await stand.ask('red', 'udp', 'on');
  expect(refused.error!.code).toBe('owner/rate');
  expect(refused.error!.message).toMatch(/^you tried \d+ changes within a minute, the most there can be$/);
  expect(codeOf(await stand.ask('green', 'allow', '2060/tcp'))).toBe('ok');
  expect(codeOf(await stand.ask('green', 'delete', 'tcp-2060'))).toBe('ok');
  expect(codeOf(await stand.ask('red', 'status'))).toBe('ok');
  writeFileSync(path, readFileSync(path, 'utf8').replace('entries: 20, changes: 1', 'entries: 20, changes: 500'));
  await host.must('apply');
});

test('nothing of all this reached a packet of anybody else', async () => {
  expect(await tcpConnect(host.wire, HOST.ipv4, 3080)).toBe('connected');
  expect(NEIGHBOUR.ipv4).toBe('192.0.2.1');
});
