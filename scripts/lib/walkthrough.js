'use strict';
// A walk-through as readers of a document see it: masks show their samples, files their names, headings fit in.

const MASK = /\{\{[a-z]+(?::([^{}@]*))?(?:@[a-z0-9_]+)?\}\}/g;
const FILE_FENCE = /^```(\S+) title=(\S+)$/;

/** `text` is a file of test/walkthroughs; `level` the depth of its title, 3 for `###`. */
function walkthroughForReaders(text, level = 3) {
  let inBlock = false;
  return text
    .split('\n')
    .flatMap((line) => {
      const file = FILE_FENCE.exec(line);
      if (line.startsWith('```')) inBlock = !inBlock;
      if (file) return [`\`${file[2]}\`:`, '', `\`\`\`${file[1] === 'frames' ? 'text' : file[1]}`];
      if (!inBlock && /^#+ /.test(line)) return [`${'#'.repeat(level - 1)}${line}`];
      return [line.replace(MASK, (mask, sample) => sample ?? '…')];
    })
    .join('\n');
}

module.exports = { walkthroughForReaders };
