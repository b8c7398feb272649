/** What `npm run bench` is asked for. */
import { CLASSBENCH_SHAPES, largestSize, SET_NAMES } from './sets/catalogue';

export interface Options {
  readonly json: boolean;
  readonly sets: readonly string[];
  readonly sizes: readonly number[];
  readonly families: readonly (4 | 6)[];
  readonly rounds: number;
  /** Live frames over a veth pair, or plain test runs of the program alone. */
  readonly mode: 'native' | 'test-run';
  readonly peers: boolean;
  readonly apply: boolean;
  /** What each tier costs. */
  readonly tiers: boolean;
  readonly confirm: boolean;
  /** What a daemon's owners wait for. */
  readonly daemon: boolean;
  /** What as many servers as there can be take, and long lists of many. */
  readonly edge: boolean;
  /** How long one changed rule takes. */
  readonly swap: boolean;
}

export const USAGE = `usage: npm run bench -- [OPTION …]
  --json             one JSON object a row
  --quick            small sets of four shapes and a blocklist, plain test runs
  --set NAME[,NAME]  ${SET_NAMES.join(' ')}
  --sizes N[,N]      100,1000,10000,100000 (blocklist: also 1000000) unless told
  --family 4|6|both  4 unless told
  --rounds N         interleaved rounds a figure, 5 unless told
  --test-run         plain test runs instead of live frames
  --peers            also other firewalls, and the literal kernel-map design
  --tiers            what each tier costs; rules only with --set
  --apply            also whole commands: sluice apply FILE
  --servers          2,000 servers of 50 rows and 4,000 of 25, both families, one of them changed, and --edge
  --edge             4,000 servers: loading, memory, scrapes; a hundred that deny 20,000 prefixes each; rules only with --set
  --swap             one rule changed in a warm process, until it is enforced; rules only with --set
  --daemon           one of 2,000 servers changes, by its owner at the daemon or by a program: how long that takes, and
                     holds the event loop; rules only with --set
  --confirm          also what a change that waits to be confirmed costs, a whole ruleset or a section`;

/** Reads the words of the command; throws with what is wrong. */
export function readOptions(words: readonly string[]): Options {
  const options = {
    json: false,
    sets: SET_NAMES,
    sizes: [100, 1000, 10_000, 100_000, 1_000_000],
    families: [4] as (4 | 6)[],
    rounds: 5,
    mode: 'native' as Options['mode'],
    peers: false,
    apply: false,
    tiers: false,
    confirm: false,
    daemon: false,
    edge: false,
    swap: false,
  };
  const rest = [...words];
  const value = (name: string): string => {
    const word = rest.shift();
    if (word === undefined) throw new Error(`"${name}" needs a value`);
    return word;
  };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    switch (word) {
      case '--json':
        options.json = true;
        break;
      case '--quick':
        options.sets = ['acl1', 'fw1', 'ipc1', 'crossing', 'blocklist'];
        options.sizes = [100, 1000];
        options.families = [4, 6];
        options.mode = 'test-run';
        break;
      case '--set':
        options.sets = value(word)
          .split(',')
          .flatMap((name) => (name === 'classbench' ? CLASSBENCH_SHAPES : [name]));
        break;
      case '--sizes':
        options.sizes = value(word).split(',').map(Number);
        break;
      case '--family': {
        const family = value(word);
        if (!['4', '6', 'both'].includes(family)) throw new Error(`--family "${family}", expected 4, 6 or both`);
        options.families = family === 'both' ? [4, 6] : [Number(family) as 4 | 6];
        break;
      }
      case '--rounds':
        options.rounds = Number(value(word));
        break;
      case '--test-run':
        options.mode = 'test-run';
        break;
      case '--peers':
        options.peers = true;
        break;
      case '--tiers':
        options.tiers = true;
        if (!words.includes('--set')) options.sets = [];
        break;
      case '--apply':
        options.apply = true;
        break;
      case '--daemon':
        options.daemon = true;
        if (!words.includes('--set')) options.sets = [];
        break;
      case '--swap':
        options.swap = true;
        if (!words.includes('--set')) options.sets = [];
        break;
      case '--servers':
        options.sets = ['servers', 'edge'];
        options.sizes = [100_000];
        options.families = [4, 6];
        options.swap = true;
        options.edge = true;
        break;
      case '--edge':
        options.edge = true;
        if (!words.includes('--set')) options.sets = [];
        break;
      case '--confirm':
        options.confirm = true;
        break;
      default:
        throw new Error(`unknown word "${word}"`);
    }
  }
  const unknown = options.sets.find((name) => !SET_NAMES.includes(name));
  if (unknown !== undefined) throw new Error(`unknown set "${unknown}", expected one of: ${SET_NAMES.join(', ')}`);
  if (options.sizes.some((size) => !Number.isInteger(size) || size < 1)) throw new Error('--sizes takes whole numbers');
  if (!(options.rounds >= 1)) throw new Error('--rounds takes a number from 1');
  return options;
}

/** Sizes at which a set is measured. */
export function sizesOf(options: Options, set: string): number[] {
  return options.sizes.filter((size) => size <= largestSize(set));
}
