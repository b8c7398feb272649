/** The translations in what `nft -j list ruleset` prints (libnftables-json(5)). */
import type { PortRange } from '../model/port-range';
import type { Prefix } from '../model/prefix';
import { type Conditions, makeNatRule, readPorts, readPrefix, readProtocol, type Translation } from './nat-match';
import type { NatRule, NatTable, UnreadNat } from './nat-rule';

type Json = Readonly<Record<string, unknown>>;

interface Chain {
  readonly priority: number;
  readonly rules: { readonly words: string; readonly expr: readonly Json[] }[];
  readonly isEntry: boolean;
}

const DEPTH_MAX = 16;
/** Elements of a map that are read one by one. */
const ELEMENTS_MAX = 100_000;

/** `ofIptables`: translations that iptables wrote by way of nf_tables, in a form that only its own listing tells. */
export interface NftNatTable extends NatTable {
  readonly ofIptables: number;
}

/** Reads every DNAT that packets from outside can meet. Throws `SyntaxError` where the text is not JSON. */
export function parseNftNat(text: string): NftNatTable {
  const listing = JSON.parse(text) as { nftables?: unknown };
  const items = Array.isArray(listing.nftables) ? (listing.nftables as Json[]) : [];
  const reader = new Reader(items);
  for (const name of reader.entries()) reader.walk(name, {}, 0);
  return reader;
}

class Reader implements NftNatTable {
  readonly rules: NatRule[] = [];
  readonly unread: UnreadNat[] = [];
  ofIptables = 0;
  private readonly chains = new Map<string, Chain>();
  /** Elements of named sets and maps, by table and name. */
  private readonly named = new Map<string, readonly unknown[]>();

  constructor(items: readonly Json[]) {
    for (const item of items) {
      const { chain, set, map, rule } = item as Readonly<Record<string, Json | undefined>>;
      if (chain) {
        const isEntry = chain.type === 'nat' && chain.hook === 'prerouting';
        const priority = typeof chain.prio === 'number' ? chain.prio : 0;
        this.chains.set(`${tableOf(chain)} ${word(chain.name)}`, { priority, rules: [], isEntry });
      }
      const elements = set ?? map;
      if (elements) {
        const list = Array.isArray(elements.elem) ? (elements.elem as unknown[]) : [];
        this.named.set(`${tableOf(elements)} ${word(elements.name)}`, list);
      }
      if (rule) {
        const name = `${tableOf(rule)} ${word(rule.chain)}`;
        const expr = Array.isArray(rule.expr) ? (rule.expr as Json[]) : [];
        this.chains.get(name)?.rules.push({ words: `${name} handle ${word(rule.handle)}`, expr });
      }
    }
  }

  /** The chains where packets begin, in the order in which they do. */
  entries(): string[] {
    const entries = [...this.chains].filter(([, { isEntry }]) => isEntry);
    return entries.sort(([, a], [, b]) => a.priority - b.priority).map(([name]) => name);
  }

  walk(name: string, above: Conditions, depth: number): void {
    const table = name.slice(0, name.lastIndexOf(' '));
    for (const { words, expr } of this.chains.get(name)?.rules ?? []) {
      try {
        this.readRule(expr, { above, table, words, depth });
      } catch (error) {
        if (!(error instanceof NotUnderstood)) throw error;
        this.unread.push({ words, why: error.message });
      }
    }
  }

  private readRule(
    expr: readonly Json[],
    at: { readonly above: Conditions; readonly table: string; readonly words: string; readonly depth: number },
  ): void {
    let conditions = at.above;
    const translates = expr.some((part) => 'dnat' in part);
    for (const part of expr) {
      if ('match' in part) conditions = { ...conditions, ...this.readMatch(part.match as Json, at.table, translates) };
      else if ('xt' in part && (part.xt as Json).name === 'DNAT') this.ofIptables++;
      else if ('vmap' in part) throw new NotUnderstood('a map of verdicts leads on from it');
      else if ('dnat' in part) this.readDnat(part.dnat as Json, conditions, at);
      const jump = (part.jump ?? part.goto) as Json | undefined;
      if (jump && at.depth < DEPTH_MAX) this.walk(`${at.table} ${word(jump.target)}`, conditions, at.depth + 1);
    }
  }

  private readMatch({ op, left, right }: Json, table: string, translates: boolean): Conditions {
    const field = fieldOf(left);
    if (field === undefined) return {};
    if (op !== '==' && op !== 'in') {
      if (field === 'device' || !translates) return {};
      throw new NotUnderstood(`it is about all but some ${field === 'to' ? 'addresses' : 'ports'}`);
    }
    return { ...protocolOf(left), ...conditionOf(field, this.elementsOf(right, table)) };
  }

  private readDnat(
    { addr, port }: Json,
    conditions: Conditions,
    { table, words }: { readonly table: string; readonly words: string },
  ): void {
    const mapped = isJson(addr) ? (addr.map as Json | undefined) : undefined;
    if (!mapped) {
      this.add(conditions, { addr, port }, words);
      return;
    }
    const keys =
      isJson(mapped.key) && Array.isArray(mapped.key.concat) ? (mapped.key.concat as unknown[]) : [mapped.key];
    for (const element of this.elementsOf(mapped.data, table)) {
      const [key, value] = (Array.isArray(element) ? element : []) as unknown[];
      const parts = isJson(key) && Array.isArray(key.concat) ? (key.concat as unknown[]) : [key];
      let own = conditions;
      keys.forEach((left, i) => {
        const field = fieldOf(left);
        if (field !== undefined) own = { ...own, ...protocolOf(left), ...conditionOf(field, [parts[i]]) };
      });
      const [address, ...rest] = isJson(value) && Array.isArray(value.concat) ? (value.concat as unknown[]) : [value];
      this.add(own, { addr: address, port: rest[0] ?? port }, words);
    }
  }

  private add(conditions: Conditions, { addr, port }: Json, words: string): void {
    const target = typeof addr === 'string' ? readPrefix(addr) : undefined;
    if (!target) throw new NotUnderstood('it sends to more than one address');
    const first = isJson(port) && Array.isArray(port.range) ? (port.range as unknown[])[0] : port;
    const translation: Translation = { target, ...(typeof first === 'number' && { targetPort: first }) };
    const rule = makeNatRule(conditions, translation, words);
    if (typeof rule === 'string') throw new NotUnderstood(rule);
    this.rules.push(rule);
  }

  /** What stands on the right of a match: one value, a set, or the name of one. */
  private elementsOf(right: unknown, table: string): readonly unknown[] {
    if (typeof right === 'string' && right.startsWith('@')) {
      const list = this.named.get(`${table} ${right.slice(1)}`);
      if (!list) throw new NotUnderstood(`there is no "${right}"`);
      return withoutDetails(list);
    }
    if (isJson(right) && right.set !== undefined)
      return typeof right.set === 'string'
        ? this.elementsOf(right.set, table)
        : withoutDetails(Array.isArray(right.set) ? (right.set as unknown[]) : [right.set]);
    return [right];
  }
}

/** A rule is there, and cannot be put into the words of a NAT rule. */
class NotUnderstood extends Error {}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function word(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function tableOf({ family, table }: Json): string {
  return `${word(family)} ${word(table)}`;
}

/** Elements without timeouts, counters and comments. */
function withoutDetails(list: readonly unknown[]): readonly unknown[] {
  if (list.length > ELEMENTS_MAX) throw new NotUnderstood(`a set or map of more than ${ELEMENTS_MAX} elements`);
  return list.map((element) => (isJson(element) && isJson(element.elem) ? element.elem.val : element));
}

type Field = 'to' | 'device' | 'protocols' | 'ports';

/** Which of the conditions the left side is about; undefined: another one, which only makes the rule narrower. */
function fieldOf(left: unknown): Field | undefined {
  if (!isJson(left)) return undefined;
  const [payload, meta] = [left.payload, left.meta];
  if (isJson(payload)) {
    if (payload.field === 'daddr') return 'to';
    if (payload.field === 'dport') return 'ports';
    return (payload.field === 'protocol' && payload.protocol === 'ip') || payload.field === 'nexthdr'
      ? 'protocols'
      : undefined;
  }
  if (!isJson(meta)) return undefined;
  return meta.key === 'iifname' || meta.key === 'iif' ? 'device' : meta.key === 'l4proto' ? 'protocols' : undefined;
}

/** `tcp dport` says which protocol it is about as well. */
function protocolOf(left: unknown): Conditions {
  const payload = isJson(left) && isJson(left.payload) ? left.payload : {};
  const number = payload.field === 'dport' ? readProtocol(word(payload.protocol)) : undefined;
  return number === undefined ? {} : { protocols: [number] };
}

function conditionOf(field: Field, values: readonly unknown[]): Conditions {
  switch (field) {
    case 'device':
      return values.length === 1 && typeof values[0] === 'string' && !values[0].endsWith('*')
        ? { device: values[0] }
        : {};
    case 'protocols':
      return { protocols: values.map((value) => understood(readProtocol(word(value)), value)) };
    case 'ports':
      return { ports: values.map((value) => understood(portsOf(value), value)) };
    case 'to':
      return { to: values.flatMap((value) => understood(prefixOf(value), value)) };
  }
}

function understood<T>(value: T | undefined, of: unknown): T {
  if (value === undefined) throw new NotUnderstood(`${JSON.stringify(of)} is not understood`);
  return value;
}

function portsOf(value: unknown): PortRange | undefined {
  if (isJson(value) && Array.isArray(value.range)) return readPorts(value.range.join('-'));
  return readPorts(word(value));
}

function prefixOf(value: unknown): Prefix | undefined {
  if (isJson(value) && isJson(value.prefix)) return readPrefix(`${word(value.prefix.addr)}/${word(value.prefix.len)}`);
  return typeof value === 'string' ? readPrefix(value) : undefined;
}
