/** A row of the benchmark, for people and as JSON. */

/** What became of one subject on one set. Times in ms or ns; null where a figure does not apply. */
export interface Row {
  /** `sluice`, `sluice apply`, or a peer. */
  readonly subject: string;
  readonly set: string;
  readonly family: 4 | 6;
  /** Rules, or prefixes of the list. */
  readonly rules: number;
  /** `hit`: uniform over the rules; `miss`: nothing matches; `-`: no packets. */
  readonly traffic: 'hit' | 'miss' | '-';
  readonly mode: 'native' | 'test-run' | '-';
  /** Median of the rounds' ratios to XDP_DROP, and their spread. */
  readonly ratio: number | null;
  readonly ratio_min: number | null;
  readonly ratio_max: number | null;
  readonly ns: number | null;
  /** XDP_DROP beside it. */
  readonly floor_ns: number | null;
  /** Parsing and a drop beside it. */
  readonly parse_ns: number | null;
  readonly bytes: number | null;
  /** In a fresh process, and again in the same one. */
  readonly compile_ms: number | null;
  readonly compile_warm_ms: number | null;
  readonly load_ms: number | null;
  /** Packets whose answers were compared with the scan's. */
  readonly checked: number;
  readonly wrong: number;
  /** Frames sent in the rounds that never arrived. */
  readonly lost: number;
  /** Means a packet: nodes read, leaves read, leaf rules compared. */
  readonly nodes: number | null;
  readonly leaves: number | null;
  readonly leaf_rules: number | null;
  /** Upper bounds for one packet. */
  readonly worst: { readonly nodes: number; readonly leaves: number; readonly rules: number } | null;
  /** Of a tier: ns more than something else took, what that is, and how much is meant to be enough. */
  readonly more_ns: number | null;
  readonly than: string | null;
  readonly at_most: number | null;
  /** Why there is no figure, or what to know about it. */
  readonly note: string;
}

const EMPTY: Omit<Row, 'subject' | 'set' | 'family' | 'rules'> = {
  traffic: '-',
  mode: '-',
  ratio: null,
  ratio_min: null,
  ratio_max: null,
  ns: null,
  floor_ns: null,
  parse_ns: null,
  bytes: null,
  compile_ms: null,
  compile_warm_ms: null,
  load_ms: null,
  checked: 0,
  wrong: 0,
  lost: 0,
  nodes: null,
  leaves: null,
  leaf_rules: null,
  worst: null,
  more_ns: null,
  than: null,
  at_most: null,
  note: '',
};

/** A row of which only some figures are known. */
export function rowOf(known: Partial<Row> & Pick<Row, 'subject' | 'set' | 'family' | 'rules'>): Row {
  return { ...EMPTY, ...known };
}

const COLUMNS: readonly (readonly [string, number, (row: Row) => string])[] = [
  ['subject', 17, (row) => row.subject],
  ['set', 10, (row) => (row.family === 6 ? `${row.set}/v6` : row.set)],
  ['rules', 8, (row) => String(row.rules)],
  ['traffic', 5, (row) => row.traffic],
  ['ratio', 8, (row) => number(row.ratio, 2)],
  ['spread', 11, (row) => (row.ratio_min === null ? '-' : `${number(row.ratio_min, 2)}–${number(row.ratio_max, 2)}`)],
  ['ns', 8, (row) => number(row.ns, 0)],
  ['floor', 6, (row) => number(row.floor_ns, 0)],
  ['parse', 6, (row) => number(row.parse_ns, 0)],
  ['KiB', 7, (row) => number(row.bytes === null ? null : row.bytes / 1024, 0)],
  ['cold ms', 8, (row) => number(row.compile_ms, 0)],
  ['warm ms', 8, (row) => number(row.compile_warm_ms, 0)],
  ['load ms', 8, (row) => number(row.load_ms, 0)],
  ['checked', 8, (row) => String(row.checked)],
  ['wrong', 6, (row) => String(row.wrong)],
  ['n/l/r', 12, (row) => [row.nodes, row.leaves, row.leaf_rules].map((value) => number(value, 1)).join('/')],
  ['worst', 10, ({ worst }) => (worst ? [worst.nodes, worst.leaves, worst.rules].join('/') : '-')],
];

function number(value: number | null, digits: number): string {
  return value === null ? '-' : value.toFixed(digits);
}

export function tableHead(): string {
  return COLUMNS.map(([title, width]) => title.padStart(width)).join(' ');
}

export function tableLine(row: Row): string {
  const cells = COLUMNS.map(([, width, text]) => text(row).padStart(width)).join(' ');
  return row.note === '' ? cells : `${cells}  ${row.note}`;
}
