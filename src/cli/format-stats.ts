/** Figures of an image as a table. */
import type { Image } from '../compile/image';

export function formatStats({ stats, digest }: Image): string {
  const rows: [string, string | number][] = [
    ['digest', digest.slice(0, 16)],
    ['rules', stats.rules],
    ['expanded rules', stats.expandedRules],
    ['bytes', stats.bytes],
    ['lpm_entries', stats.lpmEntries],
    ['port_entries', stats.portEntries],
    ['leaves', stats.leaves],
    ['leaf rules', stats.leafRules],
    ['longest leaf', stats.longestLeaf],
    ['worst case', `${stats.worstCase.nodes} nodes, ${stats.worstCase.leaves} leaves, ${stats.worstCase.rules} rules`],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(16)}${value}`);
  return [...lines, ...stats.fallbacks.map((words) => `${'fallback'.padEnd(16)}${words}`)].join('\n');
}
