'use strict';
// What the generated regions of the READMEs hold, read from the built code in dist.
const fs = require('node:fs');
const path = require('node:path');
const { benchFigures, budgetFigures, tierFigures } = require('./bench-figures.js');
const { LEVELS, allowedRooms } = require('./layers.js');
const { table } = require('./readme.js');
const { walkthroughForReaders } = require('./walkthrough.js');

const root = path.resolve(__dirname, '../..');
const fromDist = (module) => require(path.join(root, 'dist', module));
const code = (text) => `\`${text}\``;

/** A table a group of commands, as `--help` groups them. */
function commandTables({ commands }) {
  const shown = commands.filter((command) => command.name() !== 'help' && !command._hidden);
  const groups = [...new Set(shown.map((command) => command.helpGroup()))];
  return groups
    .map((group) => {
      const rows = shown.filter((command) => command.helpGroup() === group).map(commandRow);
      return table([group.replace(/:$/, ''), 'what it does'], rows);
    })
    .join('\n\n');
}

function commandRow(command) {
  const shape = command.registeredArguments.map((argument) => {
    const term = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${term}>` : `[${term}]`;
  });
  return [code(['sluice', command.name(), ...shape].join(' ')), command.summary() || command.description()];
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

  budgets: budgetFigures,

  tiers: tierFigures,

  commands: () => commandTables(program),

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

  ceilings: () => {
    const servers = fromDist('parse/servers.js');
    const { MAX_SERVERS, MAX_SERVER_RULES, MAX_SERVER_PLACES, MAX_SERVER_DOORS } = servers;
    const most = [
      ['rules in all', fromDist('parse/section.js').MAX_RULES],
      ['servers', MAX_SERVERS],
      ['rules of a server', MAX_SERVER_RULES],
      ['addresses, and ranges of ports, of a server', MAX_SERVER_PLACES],
      ['its addresses times its ranges of ports', MAX_SERVER_DOORS],
      ['prefixes in all sets together', fromDist('parse/sets.js').MAX_SET_PREFIXES],
      ['bans', fromDist('kernel/datapath-maps.js').MAX_BANS],
      ['flows (`flows: { max }`)', fromDist('model/flow.js').MOST_MAX_FLOWS],
    ];
    const bytes = fromDist('parse/read-file.js').MAX_FILE_BYTES;
    const rows = most.map(([what, number]) => [what, number.toLocaleString('en')]);
    return table(
      ['what', 'at most'],
      [...rows, ['a ruleset with its server files; each file of a set', `${bytes >> 20} MiB`]],
    );
  },

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

  walkthroughs: () => {
    const folder = 'test/walkthroughs';
    const files = fs.readdirSync(path.join(root, folder)).filter((name) => name.endsWith('.md'));
    return files
      .sort()
      .map((name) => {
        const [, title] = /^# (.+)$/m.exec(fs.readFileSync(path.join(root, folder, name), 'utf8'));
        return `- [${title}](${folder}/${name})`;
      })
      .join('\n');
  },

  walkthrough: (name) =>
    walkthroughForReaders(fs.readFileSync(path.join(root, 'test/walkthroughs', `${name}.md`), 'utf8')),
});

module.exports = { loadSections };
