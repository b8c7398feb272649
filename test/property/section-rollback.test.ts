/**
 * Whatever verbs made of a server since, in any layout then and now: it goes back to what it was, and the text and the
 * meaning of everything else stay. What its owner brings back is no more than what he may change.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { contentDigest } from '../../src/operate/digest';
import { VERBS } from '../../src/operate/edit/verbs';
import { keepRevisionText, type Revision } from '../../src/operate/history';
import { SETTINGS } from '../../src/operate/plan';
import { sectionDigest } from '../../src/operate/section-digest';
import { rollBackSection } from '../../src/operate/section-rollback';
import { statesOf } from '../../src/operate/section-state';
import type { Ruleset } from '../../src/model/ruleset';
import { joinBundle } from '../../src/parse/bundle';
import { parseRuleset } from '../../src/parse/parse';

const FILE = '/nowhere/rules.yaml';
const parse = (text: string): Ruleset => parseRuleset(text, { file: FILE }).ruleset!;

const HEAD =
  '# the edge\nversion: 1\nsets: { office: [203.0.113.0/24] }\ninbound: { rules: [allow from office to any port 22] }\n';
const GREEN =
  '  green: # first\n    address: 192.0.2.1\n    ports: 1-999\n    rules:\n      - allow 80 # x\n    # below green\n';
const ZEBRA = '  zebra: { address: 192.0.2.1, ports: 2000-2999, udp: on, rules: [deny 2022] } # last\n# end\n';
/** Of one server: in lines, in braces, as a block of text, without rows, with a switch of each kind. */
const RED = [
  '  red:\n    address: 192.0.2.1\n    ports: 1000-1999\n    rules:\n      # one\n      - deny 1022/tcp # why\n      - allow from office to any port 1033\n    # below red\n',
  '  red: { address: 192.0.2.1, ports: 1000-1999, target: 10.0.0.1, rules: [deny 1022/tcp, allow 1033/tcp] }\n',
  '  red:\n    address: [192.0.2.1]\n    default: reject\n    ports: 1000-1999\n    rules: |\n      1 deny 1022/tcp\n      2 allow 1033/tcp\n',
  '  red:\n    address: 192.0.2.1 # its own\n    udp: on\n    ports: 1000-1999\n\n    ssh: { port: 1022, from: rules }\n',
];
const fileOf = (red: string): string => `${HEAD}servers:\n${GREEN}${red}${ZEBRA}`;
const JSON_FILE = (red: string): string =>
  JSON.stringify({
    version: 1,
    sets: { office: ['203.0.113.0/24'] },
    servers: {
      green: { address: '192.0.2.1', ports: '1-999' },
      red: RED_JSON[RED.indexOf(red)],
      zebra: { address: '192.0.2.1', ports: '2000-2999' },
    },
  });
const RED_JSON = [
  ...[
    { rules: ['deny 1022/tcp', 'allow from office to any port 1033'] },
    { target: '10.0.0.1', rules: ['deny 1022/tcp'] },
  ],
  ...[{ default: 'reject', rules: ['allow 1033/tcp'] }, { udp: 'on' }],
].map((more) => ({ address: '192.0.2.1', ports: '1000-1999', ...more }));

/** Each server in a file of its own. */
const FILES = (red: string): string =>
  joinBundle({
    main: `${HEAD}servers: { dir: servers.d }\n`,
    dir: 'servers.d',
    parts: [
      { path: 'servers.d/green.yaml', text: 'address: 192.0.2.1\nports: 1-999\nrules: [allow 80] # no line end' },
      RED.indexOf(red) === 1
        ? { path: 'servers.d/red.json', text: JSON.stringify(RED_JSON[1]) }
        : { path: 'servers.d/red.yaml', text: red.replace(/^.*\n/, '').replace(/^ {4}/gm, '') },
      { path: 'servers.d/zebra.yaml', text: '# last\naddress: 192.0.2.1\nports: 2000-2999\nudp: on\n' },
    ],
  });

const edit = fc.constantFrom(
  ...[
    ['allow', '1044/tcp', 'comment', "'a: b # c'"],
    ['deny', 'from', '10.0.0.0/8'],
    ['insert', '1', 'deny', '1055'],
  ],
  ...[
    ['delete', '1'],
    ['default', 'allow'],
    ['udp', 'on'],
    ['udp', 'off'],
    ['ssh', '1023', 'from', 'anyone'],
    ['ssh', 'off'],
  ],
) as fc.Arbitrary<[keyof typeof VERBS, ...string[]]>;

let folder: { path: string };
beforeAll(() => {
  folder = { path: join(mkdtempSync(join(tmpdir(), 'slc-back-')), 'host') };
});
afterAll(() => {
  rmSync(join(folder.path, '..'), { recursive: true });
});

test('one server goes back alone', () => {
  let changed = 0;
  const layout = fc.tuple(fc.constantFrom(...RED), fc.constantFrom(fileOf, fileOf, JSON_FILE, FILES, FILES));
  const given = fc.tuple(layout, layout, fc.array(edit, { maxLength: 4 }), fc.constantFrom('all', 'owners'));
  fc.assert(
    fc.property(given, ([[redThen, wholeThen], [redNow, wholeNow], edits, what]) => {
      const then = wholeThen(redThen);
      const edited = edits.reduce((text, [verb, ...words]) => {
        const outcome = VERBS[verb](words)({ text, file: FILE }, 'red');
        return outcome.kind === 'changed' ? outcome.text : text;
      }, wholeNow(redNow));
      keepRevisionText(folder, then);
      const [was, before] = [parse(then), parse(edited)];
      const revision = {
        ...{ number: 1, what: 'apply', at: '2027-01-31T18:00:00.000Z', plan: '', sections: ['red'], digest: '' },
        ...{ author: { user: 'u', uid: 1 }, generation: 1, instance: 'i', outcome: 'applied' },
        source: { file: FILE, textDigest: contentDigest(then) },
        after: statesOf({ file: FILE, text: then, ruleset: was }, ['red']),
      } satisfies Revision;
      const target = { folder, history: { revisions: [revision], warnings: [] }, revision, section: 'red' };
      const back = rollBackSection({ ...target, what: what }, { path: FILE, text: edited, digest: '' });
      if (back.kind === 'unchanged') return;
      changed++;
      if (back.kind === 'refused') throw new Error(JSON.stringify(back));
      for (const name of ['green', 'zebra', 'inbound', SETTINGS])
        expect(sectionDigest(back.ruleset, name)).toBe(sectionDigest(before, name));
      const [own, wanted, old] = [back.ruleset, was, before].map(({ servers }) =>
        servers!.find(({ name }) => name === 'red')!,
      );
      const rows = ({ rules, default: otherwise, udp, ssh }: typeof own): unknown[] => [
        ...rules.map(({ text, note, enabled }) => [text, note, enabled]),
        ...[otherwise, udp, ssh?.ports, ssh?.from],
      ];
      expect(rows(own)).toEqual(rows(wanted));
      expect(own.target).toBe((what === 'all' ? wanted : old).target);
      if (what === 'all') expect(sectionDigest(back.ruleset, 'red')).toBe(sectionDigest(was, 'red'));
      if (wholeNow !== fileOf) return;
      const [start, end] = [`${HEAD}servers:\n${GREEN}`, ZEBRA];
      expect([back.text.startsWith(start), back.text.endsWith(end)]).toEqual([true, true]);
    }),
    { numRuns: 250 },
  );
  expect(changed).toBeGreaterThan(75);
});
