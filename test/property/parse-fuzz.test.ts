/** Any text gives findings or a ruleset: never a crash, a hang or an untyped error. `SLUICE_FUZZ_SECONDS` sets how long. */
import fc from 'fast-check';
import { CODES } from '../../src/diagnostics/codes';
import { parseProbe } from '../../src/parse/probe';
import { parseRuleset } from '../../src/parse/parse';

const SECONDS = Number(process.env.SLUICE_FUZZ_SECONDS ?? 5);
/** No text of this size may take more of the processor, however busy that is; a hang would take for ever. */
const SLOWEST_MS = 10_000;

const DOCUMENTS = [
  `version: 1
interfaces: auto
inbound:
  default: deny
  ssh: { port: 22, from: anyone }
  rules:
    - allow from 192.168.1.0/24 to any port 8000   # agent API
    - deny from 2001:db8::/32 comment 'a b'
    - { id: web, action: allow, from: [office, 10.0.0.0/8], port: "80,443", proto: tcp, review: 2027-01-01 }
`,
  `version: 1
sets: &s
  office: [203.0.113.0/24, "2001:db8:7::/48"]
  list: { file: list }
services: { metrics: 9100/tcp, web: [80/tcp, 443/tcp] }
inbound:
  rules: |
    1 Deny 0.0.0.0/0 Port 14141
    2 Allow 78.168.0.0/16 Port 14141

    # comment
expect:
  - allow tcp from 78.168.1.2 to 198.51.100.7 port 14541
  - { verdict: deny, from: office, icmp-type: echo-request, proto: icmp }
`,
  '{"version":1,"ethertypes":["lldp",34999],"inbound":{"default":"allow","rules":["allow 22",{"action":"deny","enabled":false}]}}',
];

const SNIPPETS = (
  'version: 1|inbound:|rules:|  - |- |: |:|::|[|]|{|}|,|"|\'|#|\n|\r\n|\t|  |&a |*a|!!str |!x |<<: |? |---\n|...\n|%YAML 1.1\n|>|>-|\n|~|null|' +
  '__proto__: |constructor: |allow |deny |reject |limit |from |to |port |proto |icmp-type |family |comment |any|none|0.0.0.0/0|::/0|10.0.0.0/8|' +
  '::ffff:1.2.3.4|fe80::1%eth0|010.0.0.1|10.1|1.2.3.4-1.2.3.9|65535|65536|0|-1|1e400|0x10|ssh|https|tcp|icmp|office|list|true|off|\u0000|\ufeff|\u2028|\ud800|😀'
).split('|');
SNIPPETS.push(
  '|',
  '|+2\n',
  '['.repeat(40),
  '- '.repeat(40),
  '{a: '.repeat(40),
  '9'.repeat(400),
  '.'.repeat(300),
  ':'.repeat(300),
);

/** One change to a text: cut, doubled, swapped, or something put in. */
type Mutation = {
  at: number;
  length: number;
  kind: 'cut' | 'double' | 'insert' | 'replace' | 'copy';
  text: string;
  to: number;
};
const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  to: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.integer({ min: 0, max: 40 }),
  kind: fc.constantFrom('cut', 'double', 'insert', 'replace', 'copy'),
  text: fc.oneof(fc.constantFrom(...SNIPPETS), fc.string({ unit: 'binary', maxLength: 8 })),
});

function mutate(document: string, mutations: readonly Mutation[]): string {
  let text = document;
  for (const { at, to, length, kind, text: inserted } of mutations) {
    const i = Math.floor(at * text.length);
    const j = Math.floor(to * text.length);
    const piece = text.slice(i, i + length);
    if (kind === 'cut') text = text.slice(0, i) + text.slice(i + length);
    else if (kind === 'double') text = text.slice(0, i) + piece + text.slice(i);
    else if (kind === 'insert') text = text.slice(0, i) + inserted + text.slice(i);
    else if (kind === 'replace') text = text.slice(0, i) + inserted + text.slice(i + length);
    else text = text.slice(0, j) + piece + text.slice(j);
  }
  return text;
}

const text = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(...DOCUMENTS), fc.array(mutation, { minLength: 1, maxLength: 6 }))
      .map(([d, m]) => mutate(d, m)),
  },
  { weight: 3, arbitrary: fc.array(fc.constantFrom(...SNIPPETS), { maxLength: 40 }).map((parts) => parts.join('')) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
);
const bytes = fc.oneof({ weight: 9, arbitrary: text }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) });

function checkText(input: string | Uint8Array, list: string): void {
  const before = process.cpuUsage();
  const { ruleset, diagnostics } = parseRuleset(input, { file: '/x/rules.yaml', readFile: () => Buffer.from(list) });
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(SLOWEST_MS);
  expect(ruleset === null).toBe(diagnostics.some(({ severity }) => severity === 'error'));
  const source = typeof input === 'string' ? input : new TextDecoder('utf-8', { ignoreBOM: true }).decode(input);
  let last = -1;
  for (const { code, message, hint, source: place } of diagnostics) {
    expect(Object.keys(CODES)).toContain(code);
    // eslint-disable-next-line no-control-regex
    expect(message).not.toMatch(/[\u0000-\u001f]/);
    // eslint-disable-next-line no-control-regex
    expect(hint ?? '').not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    expect(place.line).toBeGreaterThan(0);
    expect(place.column).toBeGreaterThan(0);
    if (place.file !== '/x/rules.yaml') continue;
    expect(place.offset).toBeGreaterThanOrEqual(last);
    last = place.offset;
    expect(place.offset + place.length).toBeLessThanOrEqual(source.length);
  }
  if (!ruleset) return;
  const ids = ruleset.inbound.rules.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
}

test('the examples are rulesets', () => {
  for (const document of DOCUMENTS.slice(1)) {
    expect(
      parseRuleset(document, { file: '/x/rules.yaml', readFile: () => Buffer.from('10.0.0.0/8\n') }).ruleset,
    ).not.toBeNull();
  }
});

test(
  `any text, for ${SECONDS} s`,
  () => {
    fc.assert(
      fc.property(bytes, fc.oneof(fc.constant('10.0.0.0/8\n'), text), (input, list) => {
        checkText(input, list);
      }),
      { numRuns: Infinity, interruptAfterTimeLimit: SECONDS * 1000, markInterruptAsFailure: false },
    );
  },
  SECONDS * 1000 + 60_000,
);

test('any probe', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...SNIPPETS, 'SRC=', 'DST=', 'PROTO=', '->', 'type ', 'code '), { maxLength: 12 }),
      (parts) => {
        const { probe, findings } = parseProbe(parts.join(''));
        expect(probe === null).toBe(findings.length > 0);
      },
    ),
    { numRuns: 3000 },
  );
});
