import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readApi } from '../support/api';

// What users of the library see. SLUICE_UPDATE_GOLDEN=1 rewrites the file; read the difference before committing it.
const FILE = join(__dirname, 'api.txt');
const api = readApi();

test('the interface of the library is the one in api.txt', () => {
  const text = `${api.map(({ declaration }) => declaration).join('\n\n')}\n`;
  if (process.env.SLUICE_UPDATE_GOLDEN === '1') writeFileSync(FILE, text);
  expect(text).toBe(existsSync(FILE) ? readFileSync(FILE, 'utf8') : '');
});

test.each(api)('$name is documented', ({ documentation }) => {
  expect(documentation).toMatch(/\w+ \w+/);
});
