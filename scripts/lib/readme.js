'use strict';
// Regions of a Markdown file that are filled from code: `<!-- generated: NAME -->` … `<!-- /generated -->`.

/**
 * Replaces the inside of every region by what `sections[NAME]()` returns. Words behind NAME are handed to it
 * (`<!-- generated: walkthrough first-match -->`). A region without a section, and a region left open, throw.
 */
function fillRegions(text, sections) {
  const opened = text.match(/^<!-- generated: .+ -->$/gm) ?? [];
  const region = /^(<!-- generated: (\S+)(?: (.+?))? -->)\n[\s\S]*?^(<!-- \/generated -->)$/gm;
  let filled = 0;
  const result = text.replace(region, (whole, open, name, argument, close) => {
    if (!(name in sections)) throw new Error(`no generator for the region "${name}"`);
    if (whole.indexOf('<!-- generated:', 1) > 0) throw new Error(`the region "${name}" is never closed`);
    filled++;
    return `${open}\n\n${sections[name](argument).trim()}\n\n${close}`;
  });
  if (filled !== opened.length) throw new Error(`${opened.length} regions are opened, ${filled} closed`);
  return result;
}

/** Links to the headings of a text, one line a chapter with its parts behind it. */
function contents(text) {
  const lines = [];
  let inBlock = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('```')) inBlock = !inBlock;
    const [, marks, title] = (!inBlock && /^(##|###) (.+)$/.exec(line)) || [];
    if (marks === '##') lines.push({ chapter: link(title), parts: [] });
    else if (marks === '###') lines.at(-1).parts.push(link(title));
  }
  return lines
    .map(({ chapter, parts }) => `- ${chapter}${parts.length > 0 ? `: ${parts.join(' · ')}` : ''}`)
    .join('\n');
}

/** As GitHub names its anchors: letters, digits and hyphens of the title, spaces as hyphens. */
function link(title) {
  const anchor = title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
  return `[${title}](#${anchor})`;
}

/** A Markdown table; pipes in cells are escaped. */
function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

module.exports = { contents, fillRegions, table };
