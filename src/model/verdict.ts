/** What a rule decides (a hook itself only passes or drops a frame). */
export type Action = 'allow' | 'deny' | 'reject' | 'limit';

/** What became of one packet: `limit` has ended as allow, deny or reject. */
export type Verdict = 'allow' | 'deny' | 'reject';

/**
 * The order in which a packet is judged (SPEC §3). The same numbers stand in `bpf/sluice.bpf.c`
 * and `evaluate.ts`; `TIER_CODE` in the ABI maps them to the datapath's codes.
 */
export const TIERS = {
  '1': 'sanity',
  '2': 'link essentials',
  '3.1': 'keep-reachable',
  '3.2': 'bans',
  '3.3': 'guard',
  '4': 'flows',
  '5': 'ICMP essentials',
  '6': 'switches',
  '7': 'rules',
  '8': 'SSH row',
  '9': 'default',
} as const;

/** Number of a step in the order in which a packet is judged: a key of `TIERS`. */
export type Tier = keyof typeof TIERS;

/**
 * The order in which a packet that goes out is judged (SPEC §3, "Outbound"). The same numbers stand in
 * `bpf/egress.bpf.c` and `outbound.ts`; `OUT_CODE` in the ABI maps them to the datapath's codes.
 */
export const OUT_TIERS = {
  'out 1': 'sanity and link essentials',
  'out 2': 'answers to keep-reachable',
  'out 3': 'guard',
  'out 4': 'flows',
  'out 5': 'answers',
  'out 6': 'rules',
  'out 7': 'default',
} as const;

/** Number of a step in the order in which a packet that goes out is judged: a key of `OUT_TIERS`. */
export type OutTier = keyof typeof OUT_TIERS;

/** What a tier is called. */
export function tierWords(tier: Tier | OutTier): string {
  return tier in OUT_TIERS ? OUT_TIERS[tier as OutTier] : TIERS[tier as Tier];
}
