/** Figures of an image as a table. */
import { flowTableBytes } from '../compile/flow-table';
import type { Image } from '../compile/image';

/** 9.1 MiB. */
function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** A figure a line. */
export function formatStats({ stats, digest, features }: Image): string {
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
    ['flow table', `${features.maxFlows} flows, ${mebibytes(flowTableBytes(features.maxFlows))}`],
    ['worst case', `${stats.worstCase.nodes} nodes, ${stats.worstCase.leaves} leaves, ${stats.worstCase.rules} rules`],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(16)}${value}`);
  return [...lines, ...stats.fallbacks.map((words) => `${'fallback'.padEnd(16)}${words}`)].join('\n');
}
