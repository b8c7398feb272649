'use strict';
// What the generated regions of the READMEs hold, read from the built code in dist.
const fs = require('node:fs');
const path = require('node:path');
const { benchFigures, tierFigures } = require('./bench-figures.js');
const { LEVELS, allowedRooms } = require('./layers.js');
const { table } = require('./readme.js');
const { walkthroughForReaders } = require('./walkthrough.js');

const root = path.resolve(__dirname, '../..');
const fromDist = (module) => require(path.join(root, 'dist', module));
const code = (text) => `\`${text}\``;

/** The commander tree, a row a command, groups before their members. */
function commandRows(command, prefix = '') {
  return command.commands
    .filter((sub) => sub.name() !== 'help' && !sub._hidden)
    .flatMap((sub) => {
      const name = `${prefix}${sub.name()}`;
      if (sub.commands.length > 0) return commandRows(sub, `${name} `);
      const shape = sub.registeredArguments.map((argument) => {
        const term = `${argument.name()}${argument.variadic ? '...' : ''}`;
        return argument.required ? `<${term}>` : `[${term}]`;
      });
      return [[code(['sluice', name, ...shape].join(' ')), sub.summary() || sub.description()]];
    });
}

/** Commands with the option `--server`. */
function withServer({ commands }) {
  const takes = ({ options }) => options.some(({ long, hidden }) => long === '--server' && !hidden);
  return commands.filter(takes).map((command) => command.name());
}

/** Region name → text; the tree of commands is loaded first. */
const loadSections = async () => sectionsOf(await fromDist('cli/program.js').buildProgram());

const sectionsOf = (program) => ({
  benchmark: benchFigures,

  tiers: tierFigures,

  commands: () => table(['command', 'what it does'], commandRows(program)),

  'with-server': () => `${withServer(program).map(code).join(', ')}.`,

  'without-server': () =>
    table(
      ['command', 'why it takes no `--server`'],
      Object.entries(fromDist('cli/server-option.js').WITHOUT_SERVER).map(([name, why]) => [code(name), why]),
    ),

  'exit-codes': () =>
    table(
      ['exit code', 'meaning'],
      Object.entries(fromDist('cli/exit-code.js').EXIT_WORDS).map(([number, words]) => [number, words]),
    ),

  diagnostics: () =>
    table(
      ['code', 'what it says'],
      Object.entries(fromDist('diagnostics/codes.js').CODES).map(([name, words]) => [code(name), words]),
    ),

  reasons: () =>
    table(
      ['reason', 'meaning'],
      Object.entries(fromDist('model/reason.js').REASON_WORDS).map(([name, words]) => [code(name), words]),
    ),

  metrics: () =>
    table(
      ['metric', 'type', 'labels', 'what it says'],
      Object.entries(fromDist('observe/metric-names.js').METRICS).map(([name, { type, labels, help }]) => [
        code(name),
        type,
        labels.map(code).join(' '),
        help,
      ]),
    ),

  services: () => {
    const { formatPortRange } = fromDist('model/port-range.js');
    const { formatProtocol } = fromDist('model/protocol-names.js');
    return [...fromDist('parse/services.js').BUILTIN_SERVICES]
      .map(([name, { ports, protocols }]) => {
        const [range, words] = [ports.map(formatPortRange).join(','), protocols.map(formatProtocol).join('+')];
        return `${code(name)} ${range}/${words}`;
      })
      .join(' · ');
  },

  layers: () => {
    const rooms = LEVELS.flat().map(({ room }) => room);
    return table(
      ['room', 'may import'],
      rooms.map((room) => [code(room), allowedRooms(room).map(code).join(' ') || 'nothing']),
    );
  },

  walkthrough: (name) =>
    walkthroughForReaders(fs.readFileSync(path.join(root, 'test/walkthroughs', `${name}.md`), 'utf8')),
});

module.exports = { loadSections };
