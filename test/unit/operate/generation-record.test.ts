/** Records of generations are remembered by the process, as long as their files stay what they were. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRuleset } from '../../../src';
import { compile } from '../../../src/compile/compile';
import {
  generationFile,
  type GenerationRecord,
  pruneGenerationRecords,
  readGenerationRecord,
  writeGenerationRecord,
} from '../../../src/operate/generation-record';
import { stateFolder } from '../../../src/operate/state-files';

const directory = mkdtempSync(join(tmpdir(), 'slc-record-'));
const folder = stateFolder('test', directory);
const path = join(folder.path, generationFile(7));

afterAll(() => {
  rmSync(directory, { recursive: true });
});

function record(port: number, instance = 'here'): GenerationRecord {
  const text = `version: 1\nsets:\n  some: [192.0.2.0/24, 198.51.100.0/24]\ninbound:\n  rules: [allow from some to any port ${port}]\n`;
  const ruleset = parseRuleset(text, { file: 'rules.yaml' }).ruleset!;
  const { digest, counterSlots, features, sections, ranks, bytes } = compile(ruleset);
  return {
    ...{ generation: 7, instance, since: '2027-01-01T00:00:00Z', digest, datapath: '', counterSlots, features },
    ...{ imageBytes: bytes.length, sections, ruleset, source: { file: 'rules.yaml', textDigest: '' } },
    ranks: ranks.map(({ rank, section, tier, action, id }) => ({ rank, section, tier, action, id })),
  };
}

test('what is remembered is what a process reads that remembers nothing', () => {
  writeGenerationRecord(folder, record(80));
  const remembered = readGenerationRecord(folder, 7, 'here');
  // Another file with the same text is read anew.
  writeFileSync(`${path}.copy`, readFileSync(path), { mode: 0o600 });
  renameSync(`${path}.copy`, path);
  const read = readGenerationRecord(folder, 7, 'here');
  expect(read).not.toBe(remembered);
  expect(read).toEqual(remembered);
  expect(readGenerationRecord(folder, 7, 'here')).toBe(read);
  expect(readGenerationRecord(folder, 7, 'elsewhere')).toBeNull();
});

test('of many generations the newest are remembered, and no others', () => {
  const many = Array.from({ length: 6 }, (_, i) => ({ ...record(80 + i), generation: 20 + i }));
  for (const one of many) writeGenerationRecord(folder, one);
  const read = many.map(({ generation }) => readGenerationRecord(folder, generation, 'here'));
  expect(read).toEqual(many);
  expect(many.map((one, i) => one === read[i])).toEqual([false, false, false, false, false, false]);
  // Reading the older ones has displaced the newer.
  expect(readGenerationRecord(folder, 25, 'here')).toBe(read[5]);
  pruneGenerationRecords(folder, new Set());
});

test('a file that another process has replaced, damaged or removed is not what was remembered', () => {
  writeGenerationRecord(folder, record(80));
  const first = readFileSync(path);
  writeGenerationRecord(folder, record(443));
  expect(readGenerationRecord(folder, 7, 'here')?.ruleset.inbound.rules[0].text).toMatch(/443/);
  writeFileSync(`${path}.other`, first, { mode: 0o600 });
  renameSync(`${path}.other`, path);
  expect(readGenerationRecord(folder, 7, 'here')?.ruleset.inbound.rules[0].text).toMatch(/80/);
  writeFileSync(path, 'no record');
  expect(readGenerationRecord(folder, 7, 'here')).toBeNull();
  writeGenerationRecord(folder, record(80));
  pruneGenerationRecords(folder, new Set());
  expect(readGenerationRecord(folder, 7, 'here')).toBeNull();
});
