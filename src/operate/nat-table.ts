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

/** Asks both; what iptables wrote by way of nf_tables is read from iptables-save alone. */
export async function readNatTable(netns?: string): Promise<NatListing> {
  const missing: string[] = [];
  const ask = async (tool: string, ...words: string[]): Promise<string | null> => {
    const [command, ...args] = [...(netns === undefined ? [] : ['nsenter', `--net=${netns}`]), tool, ...words];
    try {
      return (await run(command, args, { maxBuffer: BYTES_MAX, timeout: 60_000 })).stdout;
    } catch (error) {
      missing.push(`${tool}: ${whyOf(error)}`);
      return null;
    }
  };
  const [nft, ipv4, ipv6] = [
    await ask('nft', '-nn', '-j', 'list', 'ruleset'),
    await ask('iptables-save'),
    await ask('ip6tables-save'),
  ];
  const native = nft === null ? null : parseNftNat(nft);
  const isHidden = ipv4 === null && native !== null && native.ofIptables > 0;
  if (isHidden) missing.push(`${native.ofIptables} translations of iptables were not read`);
  const tables = [
    ...(native === null ? [] : [native]),
    ...(ipv4 === null ? [] : [parseIptablesNat(ipv4, 4)]),
    ...(ipv6 === null ? [] : [parseIptablesNat(ipv6, 6)]),
  ];
  return {
    rules: tables.flatMap(({ rules }) => rules),
    unread: tables.flatMap(({ unread }) => unread),
    missing,
  };
}

function whyOf(error: unknown): string {
  const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
  // nsenter says so with status 127.
  if (code === 'ENOENT' || code === 127) return 'is not installed';
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
