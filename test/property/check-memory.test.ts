/** Whatever was checked before, findings, model and image of a text are those of a process that has checked nothing. */
import * as fc from 'fast-check';
import { checkRuleset } from '../../src/operate/check';
import { CheckMemory } from '../../src/operate/check-memory';
import { joinBundle } from '../../src/parse/bundle';
import { Random } from '../support/generate/random';

/** A ruleset as its author has it; each server with lines of its own. */
interface Draft {
  readonly head: string;
  readonly tail: string;
  readonly servers: readonly (readonly [name: string, lines: readonly string[]])[];
  /** What stands in the file of a set. */
  readonly list: string;
}

const ROWS: readonly string[] = [
  ...['allow 22/tcp', 'allow from office', 'deny from 192.0.2.0/24', 'allow from any to any port 80 proto tcp'],
  ...['deny from blocked', 'reject 25/tcp', 'limit 22/tcp', 'allow game', 'deny', 'allow from 0.0.0.0/0'],
  ...["allow 443 comment 'ä'", 'allow from 2001:db8::/32', 'allow 8080 log', 'allow 22/tcp until 2020-01-01T00:00'],
  ...['allow nonsense', 'allow from office,10.1.1.1 to any port 7000:7010', 'allow from any to 203.0.113.9'],
  ...['{ action: deny, from: 10.9.0.0/16, id: nine }', '{ action: allow, port: 9, note: x }', '7 Allow 80'],
];
const ODD_LINES = ['# a word', '', '  # deeper', '      # much deeper', 'udp: on', 'ssh: { port: 22, from: anyone }'];

function drawRow(random: Random): string {
  return `- ${random.chance(0.9) ? random.pick(ROWS) : `deny from 10.${random.between(0, 255)}.0.0/16`}`;
}

function drawServer(random: Random, number: number): [string, string[]] {
  const ports = random.chance(0.7) ? [`ports: ${2000 + number * 10}-${2009 + number * 10}`] : [];
  const own = random.chance(0.3) ? ['owner: { group: 0, changes: 600 }'] : [];
  const rows = Array.from({ length: random.between(0, 5) }, () => `  ${soundRow(random)}`);
  const list = rows.length > 0 ? ['rules:', ...rows] : [];
  return [`s${number}`, [`address: 198.51.100.${number}`, ...ports, ...own, ...list]];
}

/** No row that is refused: of those there is an edit. */
function soundRow(random: Random): string {
  const row = drawRow(random);
  return row.includes('nonsense') || row.includes('203.0') ? '- allow 22/tcp' : row;
}

function drawDraft(random: Random): Draft {
  return {
    head: `version: 1\ninterfaces: [lo]\nsets:\n  office: [10.0.0.0/8]\n  blocked: { file: blocked.txt }\nservices: { game: 7777/udp }\n`,
    tail: random.chance(0.5) ? 'inbound:\n  default: deny\n  ssh: off\n  rules:\n    - allow 80/tcp\n' : '',
    servers: Array.from({ length: random.between(2, 6) }, (_, i) => drawServer(random, i + 1)),
    list: '192.0.2.1\n',
  };
}

/** Another draft: mostly one server's lines differ. */
function edited(draft: Draft, random: Random): Draft {
  const at = random.between(0, Math.max(0, draft.servers.length - 1));
  const withLines = (lines: readonly string[]): Draft => ({
    ...draft,
    servers: draft.servers.map((one, i) => (i === at ? [one[0], lines] : one)),
  });
  const [name, lines] = draft.servers[at] ?? ['s9', []];
  const place = random.between(0, lines.length);
  switch (random.between(0, 19)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return withLines([
        ...lines,
        ...(lines.includes('rules:') ? [] : ['rules:']),
        `  ${random.chance(0.2) ? drawRow(random) : soundRow(random)}`,
      ]);
    case 4:
    case 5:
      return withLines(lines.map((line) => (/^ +- /.test(line) && random.chance(0.5) ? `  ${drawRow(random)}` : line)));
    case 6:
      return withLines(lines.toSpliced(place, 1));
    case 7:
      return withLines(lines.toSpliced(place, 0, random.pick(ODD_LINES)));
    case 8:
      return withLines(lines.map((line) => line.replace(/address: .*/, `address: 198.51.100.${random.between(1, 9)}`)));
    case 9:
      return { ...draft, servers: draft.servers.toSpliced(at, 1) };
    case 10:
      return { ...draft, servers: draft.servers.toSpliced(at, 0, drawServer(random, random.between(1, 12))) };
    case 11:
      return { ...draft, head: draft.head.replace(/office: .*/, `office: [10.${random.between(0, 99)}.0.0/16]`) };
    case 12:
      return { ...draft, list: `${draft.list}192.0.2.${random.between(2, 99)}\n` };
    case 13:
      return {
        ...draft,
        tail: `${draft.tail === '' ? 'inbound:\n  ssh: off\n  rules:\n' : draft.tail}    - allow ${random.between(1, 999)}/tcp\n`,
      };
    case 14:
      return { ...draft, servers: draft.servers.map((one, i) => (i === at ? [`${name}x`, lines] : one)) };
    case 15:
      return draft;
    default:
      return withLines(lines.map((line) => (/^ +- /.test(line) ? `  ${soundRow(random)}` : line)));
  }
}

function textOf({ head, tail, servers }: Draft, isFolder: boolean): string {
  if (!isFolder) {
    const blocks = servers.map(
      ([name, lines]) => `  ${name}:\n${lines.map((line) => `${line && `    ${line}`}\n`).join('')}`,
    );
    return `${head}servers:\n${blocks.join('')}${tail}`;
  }
  const parts = servers.map(([name, lines]) => ({ path: `servers.d/${name}.yaml`, text: `${lines.join('\n')}\n` }));
  const byPath = [...new Map(parts.map((part) => [part.path, part])).values()].sort((a, b) =>
    a.path < b.path ? -1 : 1,
  );
  return joinBundle({ main: `${head}servers: { dir: servers.d }\n${tail}`, dir: 'servers.d', parts: byPath });
}

/** All that is said of a text. Ranks lead to rows of whatever text they were compiled from first. */
function check(text: string, { list }: Draft, memory?: CheckMemory): unknown {
  const readFile = (): Uint8Array => Buffer.from(list);
  const nowMs = Date.UTC(2026, 0);
  const { image, ...said } = checkRuleset('/etc/sluice/rules.yaml', text, {
    readFile,
    nowMs,
    ...(memory && { memory }),
  });
  const ranks = image?.ranks.map(({ rank, section, tier, action, id }) => [rank, section, tier, action, id]);
  return { ...said, image: image && { ...image, bytes: Buffer.from(image.bytes).toString('base64'), ranks } };
}

test.each([
  ['one file', false],
  ['a folder of servers', true],
])('%s: edit after edit', (_, isFolder) => {
  let [known, refused] = [0, 0];
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = new Random(seed);
      const memory = new CheckMemory();
      let draft = drawDraft(random);
      for (let i = 0; i < 12; i++) {
        const text = textOf(draft, isFolder);
        const before = memory.parsed.serversRead;
        const whole = check(text, draft);
        const again = check(text, draft, memory);
        expect({ seed, text, again }).toEqual({ seed, text, again: whole });
        if (memory.parsed.serversRead - before < draft.servers.length) known++;
        const isSound = (whole as { ruleset: unknown }).ruleset !== null;
        if (!isSound) refused++;
        // Who had an error goes back, or on.
        const next = edited(draft, random);
        draft = isSound || random.chance(0.3) ? next : edited(drawDraft(random), random);
      }
    }),
    { numRuns: 150 },
  );
  expect(known).toBeGreaterThan(120);
  expect(refused).toBeGreaterThan(50);
});
