/** Rows of many servers have a file of their own, and what is read of a record is what was written. */
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile } from '../../../src/compile/compile';
import {
  generationFile,
  type GenerationRecord,
  pruneGenerationRecords,
  readGenerationRecord,
  writeGenerationRecord,
} from '../../../src/operate/generation-record';
import { CheckMemory } from '../../../src/operate/check-memory';
import { checkRuleset } from '../../../src/operate/check';
import { prepareServerRows } from '../../../src/operate/server-rows';
import { stateFolder } from '../../../src/operate/state-files';

const directory = mkdtempSync(join(tmpdir(), 'slc-rows-'));
const folder = stateFolder('test', directory);

afterAll(() => {
  rmSync(directory, { recursive: true });
});

const SERVERS = 120;
const ROWS = 50;

/** `changed`: a row more of these servers, by number. */
function textOf(changed: readonly number[] = []): string {
  const servers = Array.from({ length: SERVERS }, (_, i) => {
    const rows = Array.from({ length: ROWS }, (_, k) => `      - deny from 10.${i}.${k}.0/24`);
    const more = changed.includes(i) ? ['      - allow from office to any port 22 proto tcp'] : [];
    const ssh = i % 3 === 0 ? '    ssh: { port: 22, from: anyone }\n' : '';
    return `  s${i}:\n    address: 198.51.100.${i}\n${ssh}    rules:\n${[...rows, ...more].join('\n')}\n`;
  });
  return `version: 1\ninterfaces: [lo]\nsets:\n  office: [192.0.2.0/24, 203.0.113.0/24]\nservers:\n${servers.join('')}`;
}

const memory = new CheckMemory();

function recordOf(generation: number, text: string, { warm = true } = {}): GenerationRecord {
  const { ruleset } = checkRuleset('/rules.yaml', text, warm ? { memory } : {});
  const { digest, counterSlots, features, sections, ranks, bytes } = compile(ruleset!);
  return {
    ...{ generation, instance: 'here', since: '2027-01-01T00:00:00Z', digest, datapath: '', counterSlots, features },
    ...{ imageBytes: bytes.length, sections, ruleset: ruleset!, source: { file: '/rules.yaml', textDigest: '' } },
    ranks: ranks.map(({ rank, section, tier, action, id }) => ({ rank, section, tier, action, id })),
  };
}

function path(generation: number): string {
  return join(folder.path, generationFile(generation));
}

/** What a process reads that remembers nothing. */
function readAnew(generation: number): GenerationRecord | null {
  writeFileSync(`${path(generation)}.copy`, readFileSync(path(generation)), { mode: 0o600 });
  renameSync(`${path(generation)}.copy`, path(generation));
  return readGenerationRecord(folder, generation, 'here');
}

function serverFiles(): string[] {
  return readdirSync(folder.path).filter((name) => name.startsWith('servers-'));
}

test('a change of one server writes down that one, and every record says what was written', () => {
  const first = recordOf(1, textOf());
  writeGenerationRecord(folder, first);
  expect(readAnew(1)).toEqual(first);
  const files = serverFiles();
  expect(files).toHaveLength(1);
  const whole = statSync(join(folder.path, files[0])).size;
  const changed: number[] = [];
  for (const [i, server] of [7, 0, 7, SERVERS - 1, 40].entries()) {
    changed.push(server);
    const record = recordOf(2 + i, textOf(changed));
    writeGenerationRecord(folder, record);
    expect(readAnew(2 + i)).toEqual(record);
    expect(statSync(path(2 + i)).size).toBeLessThan(whole / 4);
  }
  expect(serverFiles()).toEqual(files);
  expect(readAnew(1)).toEqual(first);
});

test('what another process compiled, and what is too many, begins a new file; what no record names is removed', () => {
  const other = recordOf(10, textOf([3]), { warm: false });
  writeGenerationRecord(folder, other);
  expect(readAnew(10)).toEqual(other);
  expect(serverFiles()).toHaveLength(2);
  pruneGenerationRecords(folder, new Set([10]));
  expect(serverFiles()).toHaveLength(1);
  expect(readAnew(10)).toEqual(other);
  // While nobody waits, those of many changes are written together.
  const many = recordOf(11, textOf(Array.from({ length: 40 }, (_, i) => i)), { warm: false });
  prepareServerRows(folder, many, 'later');
  expect(serverFiles()).toHaveLength(2);
  writeGenerationRecord(folder, many);
  expect(statSync(path(11)).size).toBeLessThan(20_000);
  expect(readAnew(11)).toEqual(many);
  pruneGenerationRecords(folder, new Set([10, 11]));
  expect(readAnew(10)).toEqual(other);
  pruneGenerationRecords(folder, new Set([11]));
  expect(serverFiles()).toHaveLength(1);
});

test('a file that is gone or damaged takes its records with it, and the next one is whole', () => {
  const record = recordOf(20, textOf());
  writeGenerationRecord(folder, record);
  const [file] = serverFiles().filter((name) => readFileSync(path(20), 'latin1').includes(name.slice(8, 40)));
  writeFileSync(join(folder.path, file), 'nothing');
  expect(readAnew(20)).toBeNull();
  const next = recordOf(21, textOf([1]));
  writeGenerationRecord(folder, next);
  expect(readAnew(21)).toEqual(next);
});

test('a server that waits by itself: both of its states are read again', () => {
  const before = recordOf(25, textOf());
  writeGenerationRecord(folder, before);
  const after = recordOf(26, textOf([5]));
  const previous = before.ruleset.servers!.find(({ name }) => name === 's5')!;
  const { ranks, returningFrom } = compile(after.ruleset, undefined, [{ previous, word: 1 }]);
  const record: GenerationRecord = {
    ...after,
    ...{
      returningFrom: returningFrom!,
      ranks: ranks.map(({ rank, section, tier, action, id }) => ({ rank, section, tier, action, id })),
    },
    trials: [{ previous, word: 1, seconds: 60, before: null, edited: true, began: [] }],
  };
  writeGenerationRecord(folder, record);
  expect(readAnew(26)).toEqual(record);
});

test('fewer rows are written with their record', () => {
  const text = textOf().split('  s20:')[0];
  const record = recordOf(30, text);
  const before = serverFiles();
  writeGenerationRecord(folder, record);
  expect(serverFiles()).toEqual(before);
  expect(readAnew(30)).toEqual(record);
});
