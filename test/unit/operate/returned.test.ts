import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addReturned, forgetReturned, readReturned, type Returned } from '../../../src/operate/returned';
import { writeStateFile } from '../../../src/operate/state-files';

const folder = { path: join(mkdtempSync(join(tmpdir(), 'slc-returned-')), 'host') };
afterAll(() => {
  rmSync(join(folder.path, '..'), { recursive: true });
});
beforeEach(() => {
  forgetReturned(folder);
});

const WHOLE: Returned = {
  ...{ generation: 2, previous: 1, seconds: 60, since: '2027-01-31T18:00:00.000Z' },
  ...{ file: '/etc/sluice/rules.yaml', fate: 'put-back' },
};

test('several are remembered, in their order; one that is written again takes its own place', () => {
  const section: Returned = { ...WHOLE, since: '2027-01-31T18:01:00.000Z', sections: ['red', 'green'] };
  addReturned(folder, WHOLE);
  addReturned(folder, section);
  addReturned(folder, { ...section, sections: ['blue'] });
  addReturned(folder, { ...WHOLE, fate: 'kept' });
  expect(readReturned(folder)).toEqual([section, { ...section, sections: ['blue'] }, { ...WHOLE, fate: 'kept' }]);
  forgetReturned(folder);
  expect(readReturned(folder)).toEqual([]);
});

test('what an older version remembered is read, and what is none of both is set aside', () => {
  writeStateFile(folder, 'returned.json', 1, WHOLE);
  expect(readReturned(folder)).toEqual([WHOLE]);
  writeStateFile(folder, 'returned.json', 2, { returned: [WHOLE, { since: 7 }] });
  expect(readReturned(folder)).toEqual([]);
});
