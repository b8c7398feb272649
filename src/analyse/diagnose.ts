/**
 * Why a first packet does not get in, and what would let it: each obstacle in the order in which it is met, with the
 * change that takes it away. After all of those changes the scan lets the packet in; that is how the list is made.
 */
import { type Bans, isBanned } from '../model/ban';
import { type Decision, evaluatePacket } from '../model/evaluate';
import { TCP_FLAG } from '../model/flow';
import type { GivenState } from '../model/given-state';
import { type Match, MATCH_ALL } from '../model/match';
import { matches } from '../model/match-packet';
import { evaluateOutgoingPacket } from '../model/outbound';
import { type FlowKey, mirror, type Packet } from '../model/packet';
import { addressBits, formatAddress, type Prefix } from '../model/prefix';
import { formatProtocol } from '../model/protocol-names';
import { PROTOCOL } from '../model/protocol';
import { type Rule, type Ruleset, type Section, writtenSections } from '../model/ruleset';
import { ownerOf } from '../model/server';
import { PIECES_MAX } from './budget';
import { subtractRegion } from './cube';
import { Space } from './space';

/** A row with its number in `status`. */
export interface NumberedRow {
  readonly number: number;
  readonly rule: Rule;
}

/** A change that takes an obstacle away; `server`: in the rows of that server, left out: of inbound. */
export type Remedy = { readonly server?: string } & (
  | { readonly kind: 'unban'; readonly prefix: Prefix }
  | { readonly kind: 'udp-on' }
  | { readonly kind: 'move'; readonly row: number; readonly before: number }
  /** `before` left out: at the end. */
  | { readonly kind: 'allow'; readonly text: string; readonly match: Match; readonly before?: number }
);

/** Something that keeps the packet, or its answer, out. */
export interface Obstacle {
  readonly what: 'ban' | 'guard' | 'udp' | 'row' | 'ssh' | 'default' | 'answer';
  readonly decision: Decision;
  /** The row that refuses it. */
  readonly row: NumberedRow | null;
  /** Rows below that would let it in. */
  readonly below: readonly NumberedRow[];
  /** Rows that let the same in from elsewhere. */
  readonly elsewhere: readonly NumberedRow[];
  /** Rows that would let it in, were they not switched off, or ended. */
  readonly off: readonly NumberedRow[];
  /** Null where a change of the rows cannot help: the guard stands above them. */
  readonly remedy: Remedy | null;
}

/** The whole answer. */
export interface Diagnosis {
  /** What decides now. */
  readonly decision: Decision;
  /** Empty where it gets in, and its answer out. */
  readonly obstacles: readonly Obstacle[];
  /** What decides once the remedies are done; null where one is missing. */
  readonly afterwards: Decision | null;
}

/** A packet that begins something: TCP with SYN, whatever else is whole. */
export function firstPacket(key: FlowKey): Packet {
  return {
    ...{ ...key, hopLimit: 64, fragment: 'none' },
    ...(key.protocol === PROTOCOL.TCP && { tcpFlags: TCP_FLAG.SYN }),
  };
}

/** Looks for what is in the way of a first packet (and of TCP, of its answer), with `bans` above the rows. */
export function diagnose(ruleset: Ruleset, key: FlowKey, state: GivenState): Diagnosis {
  const packet = firstPacket(key);
  const obstacles: Obstacle[] = [];
  let [set, given] = [ruleset, state];
  for (;;) {
    const decision = evaluatePacket(set, packet, given);
    const refused = decision.verdict === 'allow' ? refusedAnswer(set, packet, given) : decision;
    if (refused === null) return { decision: obstacles[0]?.decision ?? decision, obstacles, afterwards: decision };
    const obstacle = obstacleOf(set, packet, refused, given.bans, decision.verdict === 'allow');
    obstacles.push(obstacle);
    if (!obstacle.remedy) return { decision: obstacles[0].decision, obstacles, afterwards: null };
    [set, given] = [mended(set, obstacle.remedy), withoutBan(given, obstacle.remedy)];
  }
}

/** A ruleset in which the remedy was done. */
export function mended(ruleset: Ruleset, remedy: Remedy): Ruleset {
  const { inbound, servers } = ruleset;
  if (remedy.server === undefined) return { ...ruleset, inbound: mendedSection(inbound, remedy) };
  return {
    ...ruleset,
    servers: (servers ?? []).map((server) => (server.name === remedy.server ? mendedSection(server, remedy) : server)),
  };
}

function mendedSection<S extends Section>(section: S, remedy: Remedy): S {
  const rules = [...section.rules];
  switch (remedy.kind) {
    case 'unban':
      return section;
    case 'udp-on': {
      const on: S & { udp?: S['udp'] } = { ...section };
      delete on.udp;
      return on;
    }
    case 'move':
      rules.splice(remedy.before - 1, 0, ...rules.splice(remedy.row - 1, 1));
      break;
    case 'allow': {
      const row = { ...NEW_ROW, id: `(new ${rules.length + 1})`, text: remedy.text, match: remedy.match };
      rules.splice((remedy.before ?? rules.length + 1) - 1, 0, row);
    }
  }
  return { ...section, rules };
}

const NEW_ROW: Omit<Rule, 'id' | 'text' | 'match'> = {
  ...{ idIsExplicit: true, action: 'allow', enabled: true },
  source: { file: '', line: 1, column: 1, offset: 0, length: 0 },
  written: { dashboardRow: false, ipv4AnyFrom: false, ipv4AnyTo: false },
};

function withoutBan(state: GivenState, remedy: Remedy): GivenState {
  return remedy.kind === 'unban' ? { ...state, bans: state.bans.filter((ban) => ban !== remedy.prefix) } : state;
}

/** What refuses the answer to a TCP packet that is let in; null where nothing does. Other answers can begin by themselves. */
function refusedAnswer(ruleset: Ruleset, packet: Packet, state: GivenState): Decision | null {
  if (packet.protocol !== PROTOCOL.TCP) return null;
  const answer = { ...mirror(packet), hopLimit: 64, fragment: 'none', tcpFlags: TCP_FLAG.SYN | TCP_FLAG.ACK } as const;
  const decision = evaluateOutgoingPacket(ruleset, answer, state);
  return decision.verdict === 'allow' ? null : decision;
}

function obstacleOf(ruleset: Ruleset, packet: Packet, decision: Decision, bans: Bans, isAnswer: boolean): Obstacle {
  const plain = { decision, row: rowOf(ruleset, decision), below: [], elsewhere: [], off: [], remedy: null } as const;
  if (isAnswer) return { what: 'answer', ...plain };
  if (decision.tier === '3.2') {
    const prefix = bans.find((ban) => isBanned([ban], packet));
    return { what: 'ban', ...plain, remedy: prefix ? { kind: 'unban', prefix } : null };
  }
  const owner = ownerOf(ruleset, packet);
  const where = owner === ruleset.inbound ? {} : { server: owner.name };
  if (decision.tier === '6') return { what: 'udp', ...plain, remedy: { kind: 'udp-on', ...where } };
  if (decision.tier !== '7' && decision.tier !== '8' && decision.tier !== '9') return { what: 'guard', ...plain };
  const rows = owner.rules.map((rule, i): NumberedRow => ({ number: i + 1, rule }));
  const lets = rows.filter(({ rule }) => rule.action === 'allow' || rule.action === 'limit');
  const fits = ({ rule }: NumberedRow): boolean => matches(rule.match, packet);
  const below = lets.filter((row) => row.rule.enabled && fits(row));
  const before = plain.row?.number;
  const remedy: Remedy =
    before !== undefined && below.length > 0 && liesInside(below[0].rule.match, plain.row!.rule.match)
      ? { kind: 'move', row: below[0].number, before, ...where }
      : { kind: 'allow', ...rowFor(packet), ...(before !== undefined && { before }), ...where };
  return {
    ...plain,
    ...{ what: before !== undefined ? 'row' : decision.tier === '8' ? 'ssh' : 'default', below, remedy },
    elsewhere: lets.filter(
      ({ rule }) => rule.enabled && !matches(rule.match, packet) && matches({ ...rule.match, from: 'any' }, packet),
    ),
    off: lets.filter((row) => !row.rule.enabled && fits(row)),
  };
}

/** Whether moving the one above the other takes from that only what the one was written for. */
function liesInside(inner: Match, outer: Match): boolean {
  const space = new Space([inner, outer]);
  return subtractRegion(space.regionOf(inner), space.regionOf(outer), PIECES_MAX)?.length === 0;
}

/** A row that lets in this source, to this port. */
function rowFor({ family, source, protocol, destinationPort }: FlowKey): { text: string; match: Match } {
  return {
    text: `allow from ${formatAddress(family, source)} to any port ${destinationPort} proto ${formatProtocol(protocol)}`,
    match: {
      ...{ ...MATCH_ALL, protocols: [protocol] },
      from: [{ family, words: source, length: addressBits(family) }],
      toPorts: [{ first: destinationPort, last: destinationPort }],
    },
  };
}

function rowOf(ruleset: Ruleset, { section, rule: id }: Decision): NumberedRow | null {
  const rows = writtenSections(ruleset).find(({ name }) => name === section)?.rules ?? [];
  const at = rows.findIndex((rule) => rule.id === id);
  return at < 0 ? null : { number: at + 1, rule: rows[at] };
}
