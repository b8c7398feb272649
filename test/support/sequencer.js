'use strict';
// Which test file comes first. Jest takes the largest, not knowing how long each takes: a small file that takes minutes
// would begin last, and keep one core waiting for it.
const { default: Sequencer } = require('@jest/test-sequencer');

/** Files that take a minute and more, longest first. */
const LONG = [
  ...['walkthroughs', 'swap', 'crash', 'confirm-crash', 'new-version', 'owners', 'confirm-sections', 'crash-files'],
  ...['rule-ends', 'confirm', 'servers', 'confirm-fixed', 'clsact-ends', 'attach', 'allow-all'],
];

class LongestFirst extends Sequencer {
  sort(tests) {
    const place = ({ path }) => {
      const at = LONG.findIndex((name) => path.endsWith(`/e2e/${name}.test.ts`));
      return at < 0 ? LONG.length : at;
    };
    return [...super.sort(tests)].sort((a, b) => place(a) - place(b));
  }
}

module.exports = LongestFirst;
