/** The NAT table of a namespace, asked of the tools that own it: nft and iptables-save. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { listInterfaces } from '../kernel/interfaces';
import type { Kernel } from '../kernel/kernel';
import { parseIptablesNat } from '../migrate/iptables-nat';
import type { NatTable } from '../migrate/nat-rule';
import { parseNftNat } from '../migrate/nft-nat';
import { addressBits, type Prefix } from '../model/prefix';

const run = promisify(execFile);
/** Listings of tables with hundreds of thousands of elements are this long. */
const BYTES_MAX = 512 * 1024 * 1024;

/** What the tools said. */
export interface NatListing extends NatTable {
  /** Tools that are not there or failed, each with why. */
  readonly missing: readonly string[];
}

/**
 * Asks both; what iptables wrote by way of nf_tables is read from iptables-save alone. Where that is not installed, it is
 * missing only where something is there that it would tell: many machines have nft alone.
 */
export async function readNatTable(netns?: string): Promise<NatListing> {
  const missing: string[] = [];
  const ask = async (tool: string, ...words: string[]): Promise<Listing> => {
    const [command, ...args] = [...(netns === undefined ? [] : ['nsenter', `--net=${netns}`]), tool, ...words];
    try {
      return { text: (await run(command, args, { maxBuffer: BYTES_MAX, timeout: 60_000 })).stdout, why: '' };
    } catch (error) {
      return { text: null, why: whyOf(error) };
    }
  };
  const nft = await ask('nft', '-nn', '-j', 'list', 'ruleset');
  const native = nft.text === null ? null : parseNftNat(nft.text);
  if (native === null) missing.push(`nft: ${nft.why}`);
  const tables: NatTable[] = native === null ? [] : [native];
  for (const { tool, family, names } of IPTABLES) {
    const { text, why } = await ask(tool);
    if (text !== null) {
      tables.push(parseIptablesNat(text, family));
      continue;
    }
    const isElsewhere = native === null || native.ofIptables > 0;
    const isNeeded = why !== NOT_INSTALLED || isElsewhere || /^nat$/m.test((await ask('cat', names)).text ?? '');
    if (isNeeded) missing.push(`${tool}: ${why}`);
    if (native && native.ofIptables > 0 && family === 4)
      missing.push(`${native.ofIptables} translations of iptables were not read`);
  }
  return {
    rules: tables.flatMap(({ rules }) => rules),
    unread: tables.flatMap(({ unread }) => unread),
    missing,
  };
}

/** What a tool prints, or why it prints nothing. */
interface Listing {
  readonly text: string | null;
  readonly why: string;
}

/** `names`: tables of the namespace that iptables-legacy made, past nf_tables. */
const IPTABLES = [
  { tool: 'iptables-save', family: 4, names: '/proc/net/ip_tables_names' },
  { tool: 'ip6tables-save', family: 6, names: '/proc/net/ip6_tables_names' },
] as const;

const NOT_INSTALLED = 'is not installed';

function whyOf(error: unknown): string {
  const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
  // nsenter says so with status 127.
  if (code === 'ENOENT' || code === 127) return NOT_INSTALLED;
  return (stderr?.trim() || message).split('\n')[0];
}

/** The addresses of a namespace's interfaces as prefixes; without a device those of the interfaces with a default route. */
export async function ownAddresses(kernel: Kernel, netns?: string): Promise<(device?: string) => readonly Prefix[]> {
  const interfaces = (await listInterfaces(kernel, netns)).filter(({ loopback }) => !loopback);
  const outward = interfaces.some(({ defaultRoute }) => defaultRoute)
    ? interfaces.filter(({ defaultRoute }) => defaultRoute)
    : interfaces;
  return (device) =>
    (device === undefined ? outward : interfaces.filter(({ name }) => name === device))
      .flatMap(({ addresses }) => addresses)
      .filter(({ text }) => !/^fe[89ab]/i.test(text))
      .map(({ family, words }) => ({ family, words, length: addressBits(family) }));
}
