import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { leftovers } from '../support/netns';
import { runWalkthrough } from '../support/walkthrough';

// README leads to each file, and shows the first: the commands are executed, their output compared. The variable rewrites the
// expected output; read the difference before committing it.
const DIRECTORY = join(__dirname, '../walkthroughs');
const update = process.env.SLUICE_UPDATE_WALKTHROUGHS === '1';

describe('walk-throughs', () => {
  test.each(readdirSync(DIRECTORY).filter((name) => name.endsWith('.md')))(
    '%s',
    async (name) => {
      await runWalkthrough(join(DIRECTORY, name), { update });
      expect(leftovers()).toEqual([]);
    },
    600_000,
  );
});
