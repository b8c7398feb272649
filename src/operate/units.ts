/** The texts of the systemd units: one loads the ruleset before the network is up, the other runs the daemon. */
import { dirname } from 'node:path';
import { DEFAULT_STATE_DIRECTORY } from './state-files';

/** Name of the unit that loads what is enforced; `systemctl stop` of it ends the daemon too, and opens nothing. */
export const BOOT_UNIT = 'sluice.service';
/** Name of the daemon's unit. */
export const DAEMON_UNIT = 'sluice-daemon.service';

/** How units of ours begin; a file of the same name that does not is somebody else's. */
export const UNIT_HEAD = '# Written by sluice install; sluice install --remove takes it away.\n';

/** What stands in the units. All paths are absolute. */
export interface UnitFacts {
  /** The command: node and the file of `sluice`. */
  readonly command: readonly string[];
  /** Variables that differ from the defaults (`SLUICE_STATE_DIR` …). */
  readonly environment: Readonly<Record<string, string>>;
  /** The daemon's log; null: the journal. */
  readonly log: string | null;
  /** Folders: of the state, of the bpffs that holds the pins, of the daemon's socket. */
  readonly state: string;
  readonly bpffs: string;
  readonly run: string;
}

const DEFAULT_RUN = '/run/sluice';

/**
 * What both may do. Node compiles code as it runs, so MemoryDenyWriteExecute= cannot be had; the service runs as root,
 * since pins belong to root, but of root's capabilities it has three. ProtectKernelTunables= would make /sys/fs/bpf
 * read-only whatever ReadWritePaths= says (systemd 252), so that nothing could be pinned: what it protects is named.
 */
const HARDENING = `CapabilityBoundingSet=CAP_BPF CAP_NET_ADMIN CAP_PERFMON
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ReadOnlyPaths=/sys /proc/sys -/proc/sysrq-trigger -/proc/irq -/proc/bus -/proc/fs
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
PrivateTmp=yes
PrivateDevices=yes
PrivateIPC=yes
PrivateMounts=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service bpf
SystemCallFilter=~@resources @keyring @setuid @chown
SystemCallErrorNumber=EPERM
IPAddressDeny=any
LimitMEMLOCK=infinity
UMask=0077
`;

/** The text of each unit file, by its name. */
export function unitFiles(facts: UnitFacts): Readonly<Record<string, string>> {
  const mounts = [facts.state, facts.bpffs, ...facts.command].map(word).join(' ');
  const command = facts.command.map(commandWord).join(' ');
  const environment = Object.entries(facts.environment)
    .map(([name, value]) => `Environment=${word(`${name}=${value}`)}\n`)
    .join('');
  return {
    [BOOT_UNIT]: `${UNIT_HEAD}[Unit]
Description=sluice firewall: loads the ruleset before the network is up
DefaultDependencies=no
RequiresMountsFor=${mounts}
After=local-fs.target systemd-udev-trigger.service
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${command} boot
TimeoutStartSec=90
${environment}${HARDENING}${folders(facts, [facts.bpffs])}
[Install]
WantedBy=sysinit.target
`,
    [DAEMON_UNIT]: `${UNIT_HEAD}[Unit]
Description=sluice daemon: writes the log, saves counters, watches what enforces
PartOf=${BOOT_UNIT}
After=${BOOT_UNIT}
RequiresMountsFor=${mounts}
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${command} daemon ${facts.log === null ? '--journal' : `--log ${commandWord(facts.log)}`}
Restart=on-failure
RestartSec=1
${environment}${HARDENING}${runFolder(facts)}${folders(facts, [facts.bpffs, ...(facts.log === null ? [] : [dirname(facts.log)])])}
[Install]
WantedBy=multi-user.target
`,
  };
}

/** The state folder, and what else may be written to. */
function folders({ state }: UnitFacts, writable: readonly string[]): string {
  const usual = state === DEFAULT_STATE_DIRECTORY;
  const paths = [...writable, ...(usual ? [] : [state])].map(word).join(' ');
  return `${usual ? 'StateDirectory=sluice\nStateDirectoryMode=0700\n' : ''}ReadWritePaths=${paths}\n`;
}

function runFolder({ run }: UnitFacts): string {
  return run === DEFAULT_RUN ? 'RuntimeDirectory=sluice\nRuntimeDirectoryMode=0700\n' : `ReadWritePaths=${word(run)}\n`;
}

/** A word as systemd.syntax(7) reads it: quoted where it must be, and no specifier. */
function word(text: string): string {
  const plain = text.replace(/%/g, '%%');
  return /^[\w@%+=:,./-]+$/.test(plain) ? plain : `"${plain.replace(/[\\"]/g, '\\$&')}"`;
}

/** A word of a command line, in which `$` begins a variable. */
function commandWord(text: string): string {
  return word(text.replace(/\$/g, '$$$$'));
}
