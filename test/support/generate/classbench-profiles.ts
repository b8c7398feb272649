/**
 * What is published of ClassBench's twelve seed filter sets (Taylor and Turner, "ClassBench: A Packet Classification
 * Benchmark", 2007): access lists, firewalls and IP chains differ in prefix lengths, port classes, protocols and in how
 * far addresses are shared and nested. Lengths, ports and protocols of acl1, fw1 and ipc1 were measured on public sets of a
 * thousand rules. The figures of the other nine are estimates in the manner of their family, not taken from the seeds;
 * `sharing` and `nesting` are estimates in all twelve but for the sharing of those three.
 */

/** Port classes: any port, 1024–65535, 0–1023, another range, one port. */
export type PortClass = 'WC' | 'HI' | 'LO' | 'AR' | 'EM';

/** Numbers are shares of the rules, not normalised. */
export interface ClassbenchProfile {
  /** `source length/destination length`; a length stands for those around it. */
  readonly lengths: Readonly<Record<string, number>>;
  /** `source port class/destination port class`. */
  readonly ports: Readonly<Record<string, number>>;
  /** IP protocol numbers; `any`. */
  readonly protocols: Readonly<Record<string, number>>;
  /** How often an address of a set of 1,000 rules has been used before: source, destination. */
  readonly sharing: readonly [number, number];
  /** How often a new address lies inside an older prefix. */
  readonly nesting: number;
}

const MOSTLY_TCP = { 6: 88.6, any: 7.9, 1: 2.1, 17: 1.4 };
const ACL_MIX = { 6: 62, 17: 20, any: 14, 1: 3, 47: 0.5, 50: 0.5 };
const FIREWALL_MIX = { 6: 54, 17: 33, 47: 6.8, 1: 5, any: 1.3 };
const ACL_PORTS = { 'WC/EM': 61.7, 'WC/WC': 26.9, 'WC/AR': 11.5 };
const FIREWALL_PORTS = {
  'WC/EM': 55.9,
  'WC/WC': 22.3,
  'EM/WC': 9.6,
  'HI/HI': 5.1,
  'EM/EM': 2.7,
  'HI/EM': 2.2,
  'EM/HI': 1.6,
  'HI/AR': 0.4,
  'AR/HI': 0.2,
};

export const CLASSBENCH_PROFILES: Readonly<Record<string, ClassbenchProfile>> = {
  acl1: {
    lengths: {
      ...{ '32/32': 28, '32/28': 16, '28/32': 15, '28/16': 9, '32/16': 6, '28/28': 5, '16/32': 5, '32/24': 3 },
      ...{ '24/28': 2, '16/28': 2, '24/32': 2, '24/8': 2, '16/8': 2, '16/16': 1.5, '28/24': 1, '0/8': 0.7 },
    },
    ports: ACL_PORTS,
    protocols: MOSTLY_TCP,
    sharing: [0.93, 0.68],
    nesting: 0.8,
  },
  acl2: {
    lengths: {
      ...{ '0/32': 22, '8/32': 12, '16/32': 9, '24/32': 10, '32/32': 9, '0/24': 8, '8/24': 4, '24/24': 4 },
      ...{ '32/0': 9, '24/0': 5, '32/8': 4, '16/0': 3, '0/0': 2, '8/8': 1.5, '0/8': 1 },
    },
    ports: { 'WC/EM': 48, 'WC/WC': 38, 'WC/AR': 6, 'WC/HI': 4, 'EM/WC': 3, 'EM/EM': 1 },
    protocols: { ...ACL_MIX, any: 24 },
    sharing: [0.9, 0.75],
    nesting: 0.85,
  },
  acl3: {
    lengths: {
      ...{ '24/32': 16, '32/32': 14, '16/32': 10, '0/32': 9, '24/24': 12, '16/24': 8, '28/28': 7, '0/24': 6 },
      ...{ '8/24': 4, '24/8': 5, '32/0': 4, '24/0': 3, '8/8': 0.8, '0/0': 0.4 },
    },
    ports: { 'WC/EM': 52, 'WC/WC': 30, 'WC/AR': 12, 'WC/HI': 4, 'EM/WC': 1.5, 'HI/HI': 0.5 },
    protocols: ACL_MIX,
    sharing: [0.78, 0.62],
    nesting: 0.9,
  },
  acl4: {
    lengths: {
      ...{ '24/32': 14, '32/32': 14, '16/32': 10, '0/32': 9, '24/24': 12, '8/24': 7, '28/28': 7, '0/24': 8 },
      ...{ '16/16': 3, '24/8': 6, '32/0': 4, '24/0': 3, '8/8': 1.8, '0/8': 0.9, '0/0': 0.3 },
    },
    ports: { 'WC/EM': 50, 'WC/WC': 28, 'WC/AR': 13, 'WC/HI': 5, 'EM/WC': 2, 'HI/HI': 1, 'WC/LO': 1 },
    protocols: ACL_MIX,
    sharing: [0.78, 0.6],
    nesting: 0.9,
  },
  acl5: {
    lengths: { '24/32': 34, '16/32': 16, '28/32': 18, '32/32': 14, '24/28': 8, '20/28': 6, '0/32': 4 },
    ports: { 'WC/EM': 70, 'WC/WC': 16, 'WC/AR': 11, 'WC/LO': 2, 'WC/HI': 1 },
    protocols: { 6: 96, 17: 3, any: 1 },
    sharing: [0.85, 0.6],
    nesting: 0.6,
  },
  fw1: {
    lengths: {
      ...{ '0/28': 21.8, '0/32': 13.2, '8/32': 12.5, '28/0': 7.9, '8/28': 6.5, '32/0': 6, '8/0': 1.9, '32/8': 5 },
      ...{ '0/0': 1.5, '28/28': 2.8, '16/0': 2.6, '32/28': 2.3, '28/8': 2.3, '28/32': 2.2, '32/32': 1.6, '16/8': 1.6 },
    },
    ports: FIREWALL_PORTS,
    protocols: FIREWALL_MIX,
    sharing: [0.83, 0.8],
    nesting: 0.4,
  },
  fw2: {
    lengths: { '32/0': 34, '28/0': 18, '24/0': 7, '0/32': 14, '0/28': 9, '32/32': 5, '28/28': 4, '8/0': 3, '0/0': 2 },
    ports: { ...FIREWALL_PORTS, 'WC/WC': 34, 'WC/EM': 44 },
    protocols: { 6: 50, 17: 34, any: 8, 1: 6, 47: 2 },
    sharing: [0.7, 0.85],
    nesting: 0.35,
  },
  fw3: {
    lengths: {
      ...{ '0/28': 24, '0/32': 17, '8/32': 10, '8/28': 8, '28/0': 9, '32/0': 8, '32/8': 4, '0/8': 3, '8/0': 2 },
      ...{ '28/28': 4, '32/32': 3, '0/0': 1 },
    },
    ports: { ...FIREWALL_PORTS, 'WC/EM': 62, 'HI/EM': 5 },
    protocols: FIREWALL_MIX,
    sharing: [0.85, 0.78],
    nesting: 0.45,
  },
  fw4: {
    lengths: {
      ...{ '0/28': 20, '0/32': 20, '8/32': 11, '8/28': 10, '16/24': 7, '28/0': 7, '32/0': 5, '32/8': 4 },
      ...{ '0/8': 4, '8/0': 3, '32/32': 4, '0/0': 1 },
    },
    ports: { ...FIREWALL_PORTS, 'EM/EM': 9, 'HI/EM': 9, 'AR/HI': 3, 'HI/AR': 3 },
    protocols: { 6: 58, 17: 34, 1: 4, 47: 3, any: 1 },
    sharing: [0.85, 0.8],
    nesting: 0.5,
  },
  fw5: {
    lengths: {
      ...{ '0/28': 20, '0/32': 16, '8/32': 9, '8/28': 6, '28/0': 14, '32/0': 12, '32/8': 5, '28/28': 4, '32/32': 3 },
      ...{ '0/8': 4, '8/0': 2, '0/0': 1 },
    },
    ports: { ...FIREWALL_PORTS, 'WC/WC': 28 },
    protocols: FIREWALL_MIX,
    sharing: [0.8, 0.8],
    nesting: 0.4,
  },
  ipc1: {
    lengths: {
      ...{ '16/24': 11.5, '32/32': 8.6, '24/24': 7.3, '24/16': 6.8, '24/32': 5.4, '16/16': 5, '28/32': 4.8 },
      ...{ '24/28': 4.7, '32/24': 4.5, '16/32': 4.4, '32/28': 3.7, '28/24': 3.1, '16/8': 2.5, '0/24': 2.4 },
      ...{ '0/28': 2.2, '24/0': 2.1, '32/0': 3, '0/8': 0.6, '0/0': 0.4 },
    },
    ports: {
      ...{ 'WC/WC': 38.4, 'WC/EM': 33.9, 'EM/WC': 16.3, 'WC/HI': 5.5, 'WC/AR': 3 },
      ...{ 'AR/WC': 1.4, 'EM/EM': 0.8, 'HI/WC': 0.5, 'EM/AR': 0.1 },
    },
    protocols: { 17: 37.7, any: 33.4, 6: 27.2, 1: 1.3, 51: 0.2, 50: 0.1, 47: 0.1 },
    sharing: [0.72, 0.52],
    nesting: 0.75,
  },
  ipc2: {
    lengths: { '32/32': 56, '0/32': 22, '24/32': 8, '32/0': 11, '32/24': 3 },
    ports: { 'WC/WC': 100 },
    protocols: { any: 55, 6: 30, 17: 15 },
    sharing: [0.6, 0.55],
    nesting: 0.2,
  },
};
