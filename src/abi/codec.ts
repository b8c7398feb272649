/** Words and texts for the numbers that cross the kernel border. A number without words does not compile. */
import { SLC_ACTION, SLC_LIMITS, SLC_LOG, SLC_LOG_LEVEL, SLC_OUT, SLC_REASON, SLC_TIER } from './layout.gen';
import type { LogLevel, LogWord } from '../model/logging';
import type { Action, OutTier, Tier } from '../model/verdict';
import type { Reason } from '../model/reason';

type KebabCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}-${KebabCase<Tail>}`
  : Lowercase<S>;

/** Reasons as the header names them, in the spelling of the model. */
type HeaderReason = KebabCase<Exclude<keyof typeof SLC_REASON, 'NONE'>>;

const kebab = (name: string): string => name.toLowerCase().replaceAll('_', '-');

/** Number of each reason. Both directions are checked: `HeaderReason` and `Reason` must be the same words. */
export const REASON_CODE: Readonly<Record<Reason, number>> = Object.fromEntries(
  Object.entries(SLC_REASON)
    .filter(([name]) => name !== 'NONE')
    .map(([name, code]) => [kebab(name), code]),
) as Record<HeaderReason, number>;

/** Reason of each number. */
export const REASON_OF_CODE: ReadonlyMap<number, Reason> = new Map(
  (Object.entries(REASON_CODE) as [HeaderReason, number][]).map(([name, code]) => [code, name satisfies Reason]),
);

/** Whether a packet that left for this reason, without a row, passed. */
export function reasonPasses(reason: Reason): boolean {
  const code = REASON_CODE[reason];
  return reason === 'gate-open' || (code >= SLC_LIMITS.PASS_FIRST && code < SLC_LIMITS.DROP_FIRST);
}

/** Number of each action of an image word. */
export const ACTION_CODE: Readonly<Record<Action, number>> = {
  allow: SLC_ACTION.ALLOW,
  deny: SLC_ACTION.DENY,
  reject: SLC_ACTION.REJECT,
  limit: SLC_ACTION.LIMIT,
};

/** Number of each tier of SPEC §3. */
export const TIER_CODE: Readonly<Record<Tier, number>> = {
  '1': SLC_TIER.SANITY,
  '2': SLC_TIER.LINK,
  '3.1': SLC_TIER.KEEP_REACHABLE,
  '3.2': SLC_TIER.BANS,
  '3.3': SLC_TIER.GUARD,
  '4': SLC_TIER.FLOWS,
  '5': SLC_TIER.ICMP,
  '6': SLC_TIER.SWITCHES,
  '7': SLC_TIER.RULES,
  '8': SLC_TIER.SSH,
  '9': SLC_TIER.DEFAULT,
};

/** Tier of each number; the gate's own (0) has none. */
export const TIER_OF_CODE: ReadonlyMap<number, Tier> = new Map(
  (Object.entries(TIER_CODE) as [Tier, number][]).map(([tier, code]) => [code, tier]),
);

/** Number of each log level. */
export const LOG_LEVEL_CODE: Readonly<Record<LogLevel, number>> = {
  off: SLC_LOG_LEVEL.OFF,
  low: SLC_LOG_LEVEL.LOW,
  medium: SLC_LOG_LEVEL.MEDIUM,
  high: SLC_LOG_LEVEL.HIGH,
  full: SLC_LOG_LEVEL.FULL,
};

/** What each number says an event is about; 0 is none. */
export const LOG_WORD_OF_CODE: ReadonlyMap<number, LogWord> = new Map([
  [SLC_LOG.BLOCK, 'BLOCK'],
  [SLC_LOG.ALLOW, 'ALLOW'],
  [SLC_LOG.LIMIT_BLOCK, 'LIMIT BLOCK'],
  [SLC_LOG.LIMIT, 'LIMIT'],
  [SLC_LOG.AUDIT, 'AUDIT'],
  [SLC_LOG.AUDIT_INVALID, 'AUDIT INVALID'],
]);

/** Number of each step of packets that go out. */
export const OUT_CODE: Readonly<Record<OutTier, number>> = {
  'out 1': SLC_OUT.SANITY,
  'out 2': SLC_OUT.KEEP_REACHABLE,
  'out 3': SLC_OUT.GUARD,
  'out 4': SLC_OUT.FLOWS,
  'out 5': SLC_OUT.ANSWERS,
  'out 6': SLC_OUT.RULES,
  'out 7': SLC_OUT.DEFAULT,
};

/** Step of each number. */
export const OUT_OF_CODE: ReadonlyMap<number, OutTier> = new Map(
  (Object.entries(OUT_CODE) as [OutTier, number][]).map(([tier, code]) => [code, tier]),
);
