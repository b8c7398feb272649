/**
 * Packets at the corners of a ruleset's rows: first and last address of a prefix and the neighbours outside, ends of
 * a port range ±1, protocols and ICMP types beside those named.
 */
import { ANY, type AddressMatch, type Match, MATCH_ALL, type PortMatch } from '../../../src/model/match';
import { PROTOCOL } from '../../../src/model/protocol';
import { type Family, lastAddress, type Prefix } from '../../../src/model/prefix';
import type { Ruleset } from '../../../src/model/ruleset';
import { PacketFields } from './frame-batch';
import type { Random } from './random';
import { NEAR_ICMP_TYPES } from './ruleset';

/** Extension headers of IPv6: such a "protocol" would be walked as a header, see odd-frames for those. */
const IPV6_EXTENSIONS: ReadonlySet<number> = new Set([
  PROTOCOL.HOPOPT,
  PROTOCOL.ROUTING,
  PROTOCOL.FRAGMENT,
  PROTOCOL.AH,
  PROTOCOL.DESTINATION_OPTIONS,
  PROTOCOL.MOBILITY,
]);
const COMMON_PORTS = [1, 22, 53, 80, 443, 8000, 14511, 65534, 65535];
const COMMON_PROTOCOLS = [PROTOCOL.TCP, PROTOCOL.TCP, PROTOCOL.UDP, PROTOCOL.ICMP, PROTOCOL.ICMPV6, 5, 7, 16, 18];
/** Ethernet link-local and multicast sources meet ND and MLD rules; used now and then. */
const LINK_LOCAL = [0xfe800000, 0, 0, 1] as const;

export interface CornerOptions {
  /** Whether ICMP errors carry a quote (else they are 8 bytes, which tier 5 refuses as too short). */
  readonly quotes: boolean;
}

/** Draws packets for one ruleset; `draw` overwrites and returns the same object. */
export class CornerPackets {
  private readonly fields = new PacketFields();
  private readonly quoted = new PacketFields();
  private readonly matches: readonly Match[];
  private readonly prefixes: Readonly<Record<Family, readonly Prefix[]>>;
  private readonly sshPorts: readonly number[];

  constructor(
    private readonly random: Random,
    ruleset: Ruleset,
    private readonly options: CornerOptions = { quotes: true },
  ) {
    const matches = ruleset.inbound.rules.map(({ match }) => match);
    this.matches = matches.length === 0 ? [MATCH_ALL] : matches;
    const all = matches.flatMap(({ from, to }) => [...(from === ANY ? [] : from), ...(to === ANY ? [] : to)]);
    this.prefixes = { 4: all.filter(({ family }) => family === 4), 6: all.filter(({ family }) => family === 6) };
    this.sshPorts = ruleset.inbound.ssh?.ports ?? [22];
  }

  /** The next packet. */
  draw(): PacketFields {
    const { random, fields } = this;
    this.drawInto(fields);
    fields.quote = null;
    if (this.options.quotes && fields.isIcmpError && random.chance(0.9)) {
      // What is judged is the quoted packet turned round, so corners of the rows have to be turned round here.
      this.drawInto(this.quoted, fields.family);
      turnRound(this.quoted);
      fields.quote = this.quoted;
    }
    return fields;
  }

  private drawInto(fields: PacketFields, wanted?: Family): void {
    const { random } = this;
    const match = random.pick(this.matches);
    const family = wanted ?? this.drawFamily(match);
    fields.family = family;
    fields.hopLimit = random.chance(0.1) ? 255 : 64;
    this.drawAddress(match.from, family, fields.source);
    this.drawAddress(match.to, family, fields.destination);
    // Ports of another row now and then: rows cross instead of standing alone.
    const service = random.chance(0.75) ? match : random.pick(this.matches);
    fields.protocol = this.drawProtocol(service, family);
    fields.sourcePort = this.drawPort(service.fromPorts);
    fields.destinationPort = this.drawPort(service.toPorts);
    this.drawIcmp(service, family, fields);
  }

  private drawFamily(match: Match): Family {
    const { random } = this;
    if (match.family !== ANY && random.chance(0.9)) return match.family;
    const named = [match.from, match.to].find((list) => list !== ANY && list.length > 0);
    if (named !== undefined && named !== ANY && random.chance(0.95)) return random.pick(named).family;
    return random.chance(0.5) ? 6 : 4;
  }

  /** Writes an address at or beside a corner of the list, else of any prefix of the ruleset, else any address. */
  private drawAddress(match: AddressMatch, family: Family, into: Uint32Array): void {
    const { random } = this;
    const own = match === ANY ? [] : match.filter((prefix) => prefix.family === family);
    const list = own.length > 0 && random.chance(0.85) ? own : this.prefixes[family];
    if (list.length === 0 || random.chance(0.03)) {
      for (let i = 0; i < 4; i++) into[i] = random.word();
      if (family === 6 && random.chance(0.3)) into.set(LINK_LOCAL);
      return;
    }
    const prefix = random.pick(list);
    const corner = random.below(6);
    into.set(corner === 2 || corner === 3 ? lastAddress(prefix) : prefix.words);
    const last = prefix.words.length - 1;
    if (corner === 1) step(into, last, -1);
    if (corner === 3) step(into, last, 1);
    if (corner >= 4)
      for (let bit = prefix.length; bit <= last * 32 + 31; bit++) if (random.chance(0.5)) flip(into, bit);
  }

  private drawProtocol({ protocols }: Match, family: Family): number {
    const { random } = this;
    const drawn =
      protocols === ANY || random.chance(0.1)
        ? random.chance(0.95)
          ? random.pick(COMMON_PROTOCOLS)
          : random.below(256)
        : random.pick(protocols) + (random.chance(0.9) ? 0 : random.pick([-1, 1]));
    const protocol = drawn & 0xff;
    return family === 6 && IPV6_EXTENSIONS.has(protocol) ? PROTOCOL.TCP : protocol;
  }

  /** 1–65535. */
  private drawPort(match: PortMatch): number {
    const { random } = this;
    let port: number;
    if (match === ANY || random.chance(0.1)) {
      port = random.chance(0.3) ? random.pick(this.sshPorts) : random.pick(COMMON_PORTS);
    } else {
      const { first, last } = random.pick(match);
      port = random.pick([first, first, last, last, first - 1, last + 1, random.between(first, last)]);
    }
    return Math.min(65535, Math.max(1, port));
  }

  private drawIcmp({ icmpTypes }: Match, family: Family, fields: PacketFields): void {
    const { random } = this;
    if (icmpTypes === ANY || random.chance(0.3)) {
      fields.icmpType = random.pick(NEAR_ICMP_TYPES[family]);
      fields.icmpCode = random.chance(0.7) ? 0 : random.below(256);
      return;
    }
    const { type, code } = random.pick(icmpTypes);
    fields.icmpType = (type + (random.chance(0.8) ? 0 : random.pick([-1, 1]))) & 0xff;
    fields.icmpCode = ((code ?? random.below(256)) + (random.chance(0.7) ? 0 : random.pick([-1, 1]))) & 0xff;
  }
}

/** Exchanges source and destination, addresses and ports. */
export function turnRound(fields: PacketFields): void {
  for (let i = 0; i < 4; i++) {
    const word = fields.source[i];
    fields.source[i] = fields.destination[i];
    fields.destination[i] = word;
  }
  const port = fields.sourcePort;
  fields.sourcePort = fields.destinationPort;
  fields.destinationPort = port;
}

/** Whether the packet is plain TCP, UDP or another protocol that neither tier 2 nor tier 5 touches. */
export function reachesRows(ruleset: Ruleset, fields: PacketFields): boolean {
  if (!fields.isIcmp) return true;
  if (fields.family === 6) {
    if (fields.icmpType >= 133 && fields.icmpType <= 136) return false;
    if ((fields.icmpType >= 130 && fields.icmpType <= 132) || fields.icmpType === 143) return false;
  }
  return ruleset.icmp === 'rules' || !(fields.isEchoRequest || fields.isIcmpError);
}

/** Adds ±1 to an address of words 0 … `last`, wrapping round at the ends of the address space. */
function step(words: Uint32Array, last: number, by: 1 | -1): void {
  for (let i = last; i >= 0; i--) {
    words[i] += by;
    if (by === 1 ? words[i] !== 0 : words[i] !== 0xffffffff) return;
  }
}

function flip(words: Uint32Array, bit: number): void {
  words[bit >>> 5] ^= 0x80000000 >>> (bit & 31);
}
