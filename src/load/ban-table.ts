/**
 * The bans of the kernel: read, and changed one entry at a time while packets pass. Whoever changes them holds the lock
 * of the namespace. Which ban has ended the datapath decides by its clock; here ended ones are only cleared away.
 */
import { LAYOUT, SLC_BAN_FAMILY_BITS, SLC_BAN_FOREVER } from '../abi/layout.gen';
import { banFilter, isHostBan } from './ban-filter';
import type { BpfMap } from '../kernel/kernel';
import { addressBits, type Family, type Prefix } from '../model/prefix';

/** One ban as the kernel holds it. */
export interface KernelBan {
  readonly prefix: Prefix;
  /** CLOCK_BOOTTIME in ns from which on it bans nobody; null: it has no end. */
  readonly expiresNs: bigint | null;
  /** Packets it stopped. */
  readonly packets: bigint;
  /** CLOCK_BOOTTIME of the newest of them, null where there was none. */
  readonly lastHitNs: bigint | null;
}

const { slc_ban_host: HOST, slc_ban_net: NET, slc_ban: BAN } = LAYOUT;
/** Both numbers are one word: `ban_hosts` is the lower half. */
const BAN_COUNTS = LAYOUT.slc_state.fields.ban_hosts.offset;

/** Name of a prefix, for comparing. */
export function prefixKey({ family, words, length }: Prefix): string {
  return `${family} ${words.join('.')} ${length}`;
}

/** What the datapath asks about bans. */
export interface BanMaps {
  /** `struct slc_state`: how many entries each map holds at least, since it does not look into an empty one. */
  readonly state: BpfMap;
  readonly hosts: BpfMap;
  readonly nets: BpfMap;
  /** Which sources may be in them, see `banFilter`. */
  readonly filter: BpfMap;
}

export class BanTable {
  constructor(private readonly maps: BanMaps) {}

  /** All entries, those that have ended too, in no order. */
  async list(): Promise<KernelBan[]> {
    const [hosts, nets] = [await this.maps.hosts.entries(), await this.maps.nets.entries()];
    return [...readEntries(hosts, HOST.size, hostOfKey), ...readEntries(nets, NET.size, netOfKey)];
  }

  /** Tells the datapath of entries that another state's maps held already. */
  async adopt(): Promise<void> {
    await this.publish(new Map((await this.list()).map((ban) => [prefixKey(ban.prefix), ban])));
  }

  /**
   * Writes and removes entries; `present` is what `list()` told. Where a write fails (the kernel has no memory) all
   * entries are again as they were.
   */
  async change(present: readonly KernelBan[], put: readonly KernelBan[], remove: readonly Prefix[]): Promise<void> {
    const known = new Map(present.map((ban) => [prefixKey(ban.prefix), ban]));
    const after = new Map(known);
    for (const ban of put) after.set(prefixKey(ban.prefix), ban);
    await this.publish(after);
    try {
      await this.write(put);
    } catch (error) {
      for (const { prefix } of put) {
        const old = known.get(prefixKey(prefix));
        if (old) this.mapOf(prefix).update(keyOf(prefix), valueOf(old));
        else this.mapOf(prefix).delete(keyOf(prefix));
      }
      await this.publish(known);
      throw error;
    }
    for (const prefix of remove) {
      this.mapOf(prefix).delete(keyOf(prefix));
      after.delete(prefixKey(prefix));
    }
    await this.publish(after);
  }

  /** Tells the datapath where to look: before entries are written, and after some are removed. */
  private async publish(bans: ReadonlyMap<string, KernelBan>): Promise<void> {
    const prefixes = [...bans.values()].map(({ prefix }) => prefix);
    const hosts = prefixes.filter(isHostBan).length;
    const filter = this.maps.filter.mmap({ writable: true });
    const state = this.maps.state.mmap({ writable: true });
    try {
      // Bits that stay set are written as they are, so that no ban has a hole in between.
      await filter.write(0, banFilter(prefixes));
      state.store64(BAN_COUNTS, BigInt(hosts) | (BigInt(prefixes.length - hosts) << 32n));
    } finally {
      filter.close();
      state.close();
    }
  }

  private async write(bans: readonly KernelBan[]): Promise<void> {
    for (const map of [this.maps.hosts, this.maps.nets]) {
      const own = bans.filter(({ prefix }) => this.mapOf(prefix) === map);
      if (own.length === 0) continue;
      const keys = Buffer.concat(own.map(({ prefix }) => keyOf(prefix)));
      await map.updateBatch(keys, Buffer.concat(own.map(valueOf)), own.length);
    }
  }

  private mapOf(prefix: Prefix): BpfMap {
    return isHostBan(prefix) ? this.maps.hosts : this.maps.nets;
  }
}

function keyOf(prefix: Prefix): Buffer {
  const { family, words, length } = prefix;
  if (isHostBan(prefix)) {
    const key = Buffer.alloc(HOST.size);
    words.slice(0, 2).forEach((word, i) => key.writeUInt32LE(word, HOST.fields.words.offset + 4 * i));
    key.writeUInt32LE(family, HOST.fields.family.offset);
    return key;
  }
  const key = Buffer.alloc(NET.size);
  key.writeUInt32LE(SLC_BAN_FAMILY_BITS + length, NET.fields.length.offset);
  key.writeUInt32BE(family, NET.fields.family.offset);
  words.forEach((word, i) => key.writeUInt32BE(word, NET.fields.address.offset + 4 * i));
  return key;
}

function valueOf({ prefix, expiresNs, packets, lastHitNs }: KernelBan): Buffer {
  const value = Buffer.alloc(BAN.size);
  value.writeBigUInt64LE(expiresNs ?? SLC_BAN_FOREVER, BAN.fields.expires.offset);
  value.writeBigUInt64LE(packets, BAN.fields.packets.offset);
  value.writeBigUInt64LE(lastHitNs ?? 0n, BAN.fields.last_hit.offset);
  value.writeUInt32LE(isHostBan(prefix) ? 0 : SLC_BAN_FAMILY_BITS + prefix.length, BAN.fields.length.offset);
  return value;
}

function hostOfKey(key: Buffer): Prefix {
  const family = key.readUInt32LE(HOST.fields.family.offset) as Family;
  const [first, second] = [0, 4].map((at) => key.readUInt32LE(HOST.fields.words.offset + at));
  return family === 4 ? { family, words: [first], length: 32 } : { family, words: [first, second, 0, 0], length: 64 };
}

function netOfKey(key: Buffer): Prefix {
  const family = key.readUInt32BE(NET.fields.family.offset) as Family;
  const words = Array.from({ length: addressBits(family) / 32 }, (_, i) =>
    key.readUInt32BE(NET.fields.address.offset + 4 * i),
  );
  return { family, words, length: key.readUInt32LE(NET.fields.length.offset) - SLC_BAN_FAMILY_BITS };
}

function readEntries(
  { count, keys, values }: { count: number; keys: Uint8Array; values: Uint8Array },
  keySize: number,
  prefixOf: (key: Buffer) => Prefix,
): KernelBan[] {
  const [keyBytes, valueBytes] = [keys, values].map((bytes) =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  );
  return Array.from({ length: count }, (_, i): KernelBan => {
    const at = i * BAN.size;
    const expires = valueBytes.readBigUInt64LE(at + BAN.fields.expires.offset);
    const lastHit = valueBytes.readBigUInt64LE(at + BAN.fields.last_hit.offset);
    return {
      prefix: prefixOf(keyBytes.subarray(i * keySize, (i + 1) * keySize)),
      expiresNs: expires === SLC_BAN_FOREVER ? null : expires,
      packets: valueBytes.readBigUInt64LE(at + BAN.fields.packets.offset),
      lastHitNs: lastHit === 0n ? null : lastHit,
    };
  });
}
