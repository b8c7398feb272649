/** Who may come to a server's rows through its socket, and how much of the machine his rows may take. */

/** The owner's socket and quotas, as the operator wrote them under the server. */
export interface OwnerAccess {
  /** Name or number of the group that may connect. */
  readonly group: string;
  /** Mode of the socket: `0o600`, `0o660` or `0o666`. */
  readonly mode: number;
  readonly quotas: OwnerQuotas;
}

/** Most that an owner's own changes may come to; what the operator writes himself is not measured by them. */
export interface OwnerQuotas {
  /** Rows of the server. */
  readonly rules: number;
  /** Addresses times ports that its rows name together (`entriesOf`). */
  readonly entries: number;
  /** Changes that are tried within a minute. */
  readonly changes: number;
}

/** What is left out is so. */
export const DEFAULT_OWNER_QUOTAS: OwnerQuotas = { rules: 500, entries: 2_000, changes: 30 };
/** What can be granted at most. */
export const MOST_OWNER_QUOTAS: OwnerQuotas = { rules: 10_000, entries: 100_000, changes: 600 };
/** Mode of a socket where none is written: the group may connect. */
export const DEFAULT_OWNER_MODE = 0o660;
/** Modes a socket can have. */
export const OWNER_MODES: readonly string[] = ['0600', '0660', '0666'];
