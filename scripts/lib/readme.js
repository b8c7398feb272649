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

/** A Markdown table; pipes in cells are escaped. */
function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

module.exports = { fillRegions, table };
