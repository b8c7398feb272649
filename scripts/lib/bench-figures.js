'use strict';
// The benchmark's figures in the README, from the rows of one run each that are kept in test/bench/results.jsonl, and in
// test/bench/tiers.jsonl for what the tiers cost.
const fs = require('node:fs');
const path = require('node:path');
const { table } = require('./readme.js');

const RESULTS = path.join(__dirname, '../../test/bench/results.jsonl');
const BUDGETS = path.join(__dirname, '../../test/bench/budgets.json');
const TIERS = path.join(__dirname, '../../test/bench/tiers.jsonl');

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const ratio = (value) => `×${value.toFixed(2)}`;
const size = (rules) => rules.toLocaleString('en');

/** Rows → one line a kind of set, subject, family and traffic, one column a size: median and worst of the sets. */
function ratioTable(rows) {
  const measured = rows.filter(({ ratio: value, wrong }) => value !== null && wrong === 0);
  const sizes = [...new Set(measured.map(({ rules }) => rules))].sort((a, b) => a - b);
  const shapes = measured.filter(({ set }) => /^(acl|fw|ipc)\d$/.test(set));
  /** What was measured with one shape alone goes by its name. */
  const kindOf = ({ subject, set }) => {
    const ofSubject = new Set(shapes.filter((row) => row.subject === subject).map((row) => row.set));
    return ofSubject.size > 1 && ofSubject.has(set) ? 'ClassBench shapes' : set;
  };
  const lines = new Map();
  for (const row of measured) {
    const name = [row.subject, kindOf(row), `IPv${row.family}`, row.traffic].join('|');
    if (!lines.has(name)) lines.set(name, new Map());
    const cells = lines.get(name);
    cells.set(row.rules, [...(cells.get(row.rules) ?? []), row]);
  }
  const cell = (found) => {
    if (!found) return '';
    const ratios = found.map(({ ratio: value }) => value);
    return found.length === 1 ? ratio(ratios[0]) : `${ratio(median(ratios))}, worst ${ratio(Math.max(...ratios))}`;
  };
  return table(
    ['subject', 'rules', 'family', 'packets', ...sizes.map(size)],
    [...lines].map(([name, cells]) => [...name.split('|'), ...sizes.map((rules) => cell(cells.get(rules)))]),
  );
}

/** What an image of ours takes: memory, compiling, loading, and the worst path of any packet; largest of the sets. */
function imageTable(rows) {
  const ours = rows.filter(({ subject, bytes, family }) => subject === 'sluice' && bytes !== null && family === 4);
  const sizes = [...new Set(ours.map(({ rules }) => rules))].sort((a, b) => a - b);
  const both = (values) => `${median(values).toFixed(0)} / ${Math.max(...values).toFixed(0)}`;
  const lines = sizes.map((rules) => {
    const found = ours.filter((row) => row.rules === rules);
    const of = (pick) => both(found.map(pick));
    return [
      size(rules),
      of(({ bytes }) => bytes / 1024),
      of(({ compile_ms }) => compile_ms),
      of(({ compile_warm_ms }) => compile_warm_ms),
      of(({ load_ms }) => load_ms),
      of(({ worst }) => worst.nodes),
      of(({ worst }) => worst.leaves),
      of(({ worst }) => worst.rules),
    ];
  });
  const words = ['KiB', 'compile, cold, ms', 'warm, ms', 'apply of the image, ms', 'nodes', 'leaves', 'leaf rules'];
  return table(['rules', ...words.slice(0, 4), ...words.slice(4).map((word) => `worst path: ${word}`)], lines);
}

/** Whole commands. */
function applyTable(rows) {
  const lines = rows
    .filter(({ subject, load_ms }) => subject === 'sluice apply' && load_ms !== null)
    .map(({ set, rules, load_ms, note }) => [set, size(rules), `${(load_ms / 1000).toFixed(2)} s`, note]);
  return lines.length === 0 ? '' : table(['`sluice apply` of', 'rules', 'whole command', 'written as'], lines);
}

/** A whole edge: loaded from cold, scraped, asked. */
function edgeTable(rows) {
  const lines = rows
    .filter(({ subject }) => /^sluice (load|scrape|status)$/.test(subject))
    .map(({ subject, rules, load_ms, note }) => [
      subject.slice('sluice '.length),
      size(rules),
      `${(load_ms / 1000).toFixed(2)} s`,
      note,
    ]);
  return lines.length === 0 ? '' : table(['an edge', 'rules', 'time', 'of'], lines);
}

/** One changed rule in a warm process. */
function swapTable(rows) {
  const lines = rows
    .filter(({ subject }) => subject === 'sluice swap')
    .map(({ set, rules, traffic, compile_warm_ms, load_ms, note }) => [
      set,
      size(rules),
      traffic === 'hit' ? 'under live frames' : 'without',
      `${compile_warm_ms.toFixed(0)} ms`,
      `${load_ms.toFixed(0)} ms`,
      note,
    ]);
  if (lines.length === 0) return '';
  return table(['one rule changed of', 'rules', 'traffic', 'compiling', 'until it is enforced', 'of'], lines);
}

function readRows(file) {
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** Where the rows were measured, by which command, and whether every packet was judged as it should. */
function origin(rows) {
  const machines = new Map();
  for (const { machine } of rows) {
    // The load differs from run to run: the machine is the same.
    const [, load] = /, load ([\d.]+)/.exec(machine) ?? [];
    const name = machine.replace(/^bench: /, '').replace(/, load [\d.]+/, '');
    machines.set(name, new Set([...(machines.get(name) ?? []), load ?? '?']));
  }
  const commands = [...new Set(rows.map(({ command }) => command))];
  const wrong = rows.reduce((sum, row) => sum + row.wrong, 0);
  const checked = rows.reduce((sum, row) => sum + row.checked, 0);
  const measuredBy = commands.map((command) => `\`${command}\``).join(', ');
  const measuredOn = [...machines].map(([name, loads]) => `${name}, load ${[...loads].join(', ')}`).join('; ');
  return `${measuredOn}; ${measuredBy}. ${checked.toLocaleString('en')} packets checked, ${wrong} wrong.`;
}

/** The region `budgets`. */
function budgetFigures() {
  const lines = JSON.parse(fs.readFileSync(BUDGETS, 'utf8')).map(({ rules, bytes, built, nodes, leaves, compared }) => [
    size(rules),
    `${size(bytes[4])} / ${size(bytes[6])}`,
    size(built),
    size(nodes),
    size(leaves),
    `${size(compared.classbench)} / ${size(compared.any)}`,
  ]);
  const worst = ['nodes', 'leaves', 'rules compared, ClassBench / any shape'].map((word) => `worst path: ${word}`);
  const words = ['rules', 'bytes a rule, IPv4 / IPv6', 'numbers that building looks at, a rule'];
  return table([...words, ...worst], lines);
}

/** The region `tiers`. */
function tierFigures() {
  const rows = readRows(TIERS);
  const beside = rows.filter(({ more_ns }) => more_ns !== null);
  const live = rows.filter(({ more_ns }) => more_ns === null);
  return [
    origin(rows),
    'What a packet costs more than another, by test run of the program:',
    table(
      ['packet', 'ns more', 'than', 'at most'],
      beside.map(({ set, more_ns, than, at_most }) => [
        set,
        Math.round(more_ns).toString(),
        than,
        at_most === null ? '' : String(at_most),
      ]),
    ),
    'Live frames of forged sources that the default drops, as a multiple of a bare XDP_DROP of the same rounds:',
    table(
      ['', 'XDP_DROP', 'beside'],
      live.map(({ set, ratio: value, note }) => [set, ratio(value), note]),
    ),
  ].join('\n\n');
}

/** The region `benchmark`. */
function benchFigures() {
  const rows = readRows(RESULTS);
  return [
    origin(rows),
    'Cost of a packet as a multiple of a bare XDP_DROP of the same rounds (median of the sets, and the worst of them):',
    ratioTable(rows),
    'What an image takes, median / largest of the sets, IPv4:',
    imageTable(rows),
    applyTable(rows),
    edgeTable(rows),
    swapTable(rows),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

module.exports = { benchFigures, budgetFigures, tierFigures };
