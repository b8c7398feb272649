'use strict';
// A walk-through as readers of a document see it: masks show their samples, files their names; the title is left to
// the document.

const MASK = /\{\{[a-z]+(?::([^{}@]*))?(?:@[a-z0-9_]+)?\}\}/g;
const FILE_FENCE = /^```(\S+) title=(\S+)$/;

/** `text` is a file of test/walkthroughs. */
function walkthroughForReaders(text) {
  let inBlock = false;
  return text
    .split('\n')
    .flatMap((line) => {
      const file = FILE_FENCE.exec(line);
      if (line.startsWith('```')) inBlock = !inBlock;
      if (file) return [`\`${file[2]}\`:`, '', `\`\`\`${file[1] === 'frames' ? 'text' : file[1]}`];
      if (!inBlock && line.startsWith('# ')) return [];
      return [line.replace(MASK, (mask, sample) => sample ?? '…')];
    })
    .join('\n')
    .trim();
}

module.exports = { walkthroughForReaders };
