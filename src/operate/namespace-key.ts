/** How the state of a network namespace is found again: the host's over reboots, another's for as long as it lives. */
import { readFileSync } from 'node:fs';

/** Names this boot; another one, a UUID, after each. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/**
 * Name of the state folder of a namespace that is not the host's. Cookies are counted from each boot on, and what is kept
 * outlives it: without the boot another namespace would inherit bans and counts.
 */
export function namespaceKey(cookie: bigint, boot: string = bootId()): string {
  return `${cookie}-${boot.slice(0, BOOT_DIGITS)}`;
}

/** The cookie of a key, null where it is none of a namespace of this boot; undefined where it is no such key. */
export function cookieOfKey(key: string, boot: string = bootId()): bigint | null | undefined {
  const match = KEY.exec(key);
  if (!match) return undefined;
  return match[2] === boot.slice(0, BOOT_DIGITS) ? BigInt(match[1]) : null;
}

const BOOT_DIGITS = 8;
const KEY = /^(\d{1,20})-([0-9a-f]{8})$/;
