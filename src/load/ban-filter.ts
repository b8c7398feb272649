/** The bits that tell the datapath which sources may be banned: `struct slc_ban_filter`. C twin: bpf/bans.h. */
import { LAYOUT, SLC_BAN_FACTOR_0, SLC_BAN_FACTOR_1, SLC_BAN_HOST_SHIFT, SLC_BAN_NET_SHIFT } from '../abi/layout.gen';
import type { Prefix } from '../model/prefix';

const { size: SIZE, fields: FIELDS } = LAYOUT.slc_ban_filter;
/** Bits of either field for prefixes. */
const NET_BITS = 16;
/** IPv6 prefixes are told apart by so many bits of their address. */
const NET6_WORD = 32;

/** Whether a ban of the prefix stands in the hash: IPv4 addresses and the /64 of IPv6; all others are in the trie. */
export function isHostBan({ family, length }: Prefix): boolean {
  return length === (family === 4 ? 32 : 64);
}

/** The filter in which every source that one of the prefixes holds is found. */
export function banFilter(prefixes: Iterable<Prefix>): Uint8Array {
  const bytes = new Uint8Array(SIZE);
  const set = (field: keyof typeof FIELDS, bit: number): void => {
    // Words of 64 bits in the order of little-endian bytes are bytes of 8 bits in order.
    bytes[FIELDS[field].offset + (bit >>> 3)] |= 1 << (bit & 7);
  };
  const setAll = (field: keyof typeof FIELDS): void => {
    bytes.fill(0xff, FIELDS[field].offset, FIELDS[field].offset + 2 ** NET_BITS / 8);
  };
  for (const prefix of prefixes) {
    const { family, words, length } = prefix;
    if (isHostBan(prefix)) {
      const second = family === 4 ? 0 : Math.imul(words[1], SLC_BAN_FACTOR_1);
      set('hosts', ((Math.imul(words[0], SLC_BAN_FACTOR_0) ^ second) >>> 0) >>> SLC_BAN_HOST_SHIFT);
    } else if (family === 4) {
      const first = words[0] >>> SLC_BAN_NET_SHIFT;
      for (let i = 0; i < 2 ** Math.max(0, NET_BITS - length); i++) set('nets4', first + i);
    } else if (NET6_WORD - length >= NET_BITS) {
      // as many words as there are bits, or more
      setAll('nets6');
    } else {
      for (let i = 0; i < 2 ** Math.max(0, NET6_WORD - length); i++)
        set('nets6', Math.imul(words[0] + i, SLC_BAN_FACTOR_0) >>> SLC_BAN_NET_SHIFT);
    }
  }
  return bytes;
}
