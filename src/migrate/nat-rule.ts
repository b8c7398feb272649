/** Rules that translate where packets go (DNAT), as the firewall of the host holds them, of whatever make it is. */
import type { PortRange } from '../model/port-range';
import type { Prefix } from '../model/prefix';

/** What comes to these addresses and ports goes on to `target`. */
export interface NatRule {
  /** Of the packets before translation; `own`: the addresses of this machine, or of `device` where that is named. */
  readonly to: readonly Prefix[] | 'own';
  readonly family: 4 | 6;
  readonly device?: string;
  /** IANA numbers of TCP and UDP; both where the rule names neither. */
  readonly protocols: readonly number[];
  /** Left out: every port, and every other protocol. */
  readonly ports?: readonly PortRange[];
  /** Canonical text of the address behind. */
  readonly target: string;
  /** The port behind of the first port; left out: ports stay as they are. */
  readonly targetPort?: number;
  /** Where it stands: `ip nat prerouting handle 4`, or the line of iptables. */
  readonly words: string;
}

/** A translation that is there and was not understood. */
export interface UnreadNat {
  readonly words: string;
  readonly why: string;
}

/** What a firewall's own listing holds of translations, in its order. */
export interface NatTable {
  readonly rules: readonly NatRule[];
  readonly unread: readonly UnreadNat[];
}
