/** The first ruleset for a machine: a text made of facts, commented for someone who has never seen one. */
import type { UfwRule } from './ufw-rules';

/** What listens, as far as others can reach it. */
export interface Listener {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** Name of the program, null where it could not be told. */
  readonly program: string | null;
  /** Local addresses it is bound to, `any` for all. */
  readonly addresses: readonly string[];
}

/** What is known about the machine. */
export interface InitFacts {
  /** Interfaces with a default route; empty in a namespace without one. */
  readonly defaultRoute: readonly string[];
  /** Other interfaces except loopback. */
  readonly otherInterfaces: readonly string[];
  /** Those that were asked for; left out: those with a default route. */
  readonly chosen?: readonly string[];
  /** Ports of the SSH server, ascending, at least one. */
  readonly sshPorts: readonly number[];
  /** Address of whoever runs the command over SSH. */
  readonly caller: string | null;
  /** Listeners that can be reached from other machines, without the SSH server. */
  readonly listeners: readonly Listener[];
  /** Rules of a local ufw; null where ufw is not active. */
  readonly ufwRules: readonly UfwRule[] | null;
}

/** A complete, valid ruleset for the machine; it writes only keys that this version enforces. */
export function initRuleset(facts: InitFacts, options: { readonly schema?: string } = {}): string {
  const lines = [
    ...(options.schema === undefined ? [] : [`# yaml-language-server: $schema=${options.schema}`]),
    '# Rules of sluice. Rows are read from top to bottom; the first that matches a packet decides, no later one is',
    '# looked at. Look before you leap:  sluice check   sluice explain tcp from ADDRESS to ADDRESS port PORT',
    'version: 1',
    ...interfaces(facts),
    '',
    'inbound:',
    '  default: deny                     # what no row decides',
    ...sshRow(facts),
    ...rules(facts),
    '',
    '# What this machine opens itself gets its answers, whatever the rows say.',
    'outbound: { default: allow }',
    '# What the default refuses is told of: sluice events; with sluice daemon running, in /var/log/sluice.log',
    'logging: low',
  ];
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

function interfaces({ defaultRoute, otherInterfaces, chosen }: InitFacts): string[] {
  if (chosen) {
    const rest = [...defaultRoute, ...otherInterfaces].filter((name) => !chosen.includes(name));
    return [
      `interfaces: [${chosen.map((name) => JSON.stringify(name)).join(', ')}]`,
      ...(rest.length > 0 ? [`# not filtered: ${rest.join(', ')}`] : []),
    ];
  }
  const others = otherInterfaces.length > 0 ? [`# not filtered: ${otherInterfaces.join(', ')}`] : [];
  if (defaultRoute.length > 0)
    return [
      `interfaces: auto                    # those with a default route, now ${defaultRoute.join(', ')}`,
      ...others,
    ];
  if (otherInterfaces.length === 0)
    return ['interfaces: auto                    # those with a default route; none now'];
  return [`interfaces: [${otherInterfaces.join(', ')}]   # no interface has a default route`];
}

function sshRow({ sshPorts, caller }: InitFacts): string[] {
  const port = sshPorts.length === 1 ? String(sshPorts[0]) : `[${sshPorts.join(', ')}]`;
  const narrow = caller ?? '203.0.113.0/24';
  return [
    `  ssh: { port: ${port}, from: anyone }`,
    `  # ${caller === null ? '' : `You are connected from ${caller}. `}To let only some in, write "from: rules" and a row for them:`,
    `  #   - allow from ${narrow} to any port ${sshPorts.join(',')} proto tcp`,
  ];
}

function rules({ listeners, ufwRules }: InitFacts): string[] {
  const dhcp = listeners.some(({ protocol, port }) => protocol === 'udp' && port === DHCP_CLIENT_PORT);
  const active = dhcp
    ? ['    - allow from any port 67 to any port 68 proto udp id dhcp-answers   # keeps the address of this machine']
    : [];
  const suggested = listeners.filter(({ port }) => port !== DHCP_CLIENT_PORT);
  const comments = [
    ...(suggested.length > 0
      ? ['    # These listen and are closed now; take the # away from what others may reach:']
      : []),
    ...suggested.map(
      (listener) => `    # - ${`allow ${listener.port}/${listener.protocol}`.padEnd(22)} # ${describe(listener)}`,
    ),
    ...(ufwRules === null
      ? []
      : ['    # ufw is active on this machine and goes on filtering behind sluice. Its rules:']),
    ...(ufwRules ?? []).map((rule) =>
      'row' in rule
        ? `    # - ${rule.row}`
        : `    # no row says this, ufw's rule ${rule.why}: ${printable(rule.words, 120)}`,
    ),
  ];
  // No "[]" where there is no row yet: whoever takes a # away would get invalid YAML.
  return ['  rules:', ...comments, ...active];
}

function describe({ program, addresses }: Listener): string {
  const name = program === null ? 'a program that could not be named' : printable(program);
  return addresses.includes('any') ? name : `${name} on ${addresses.join(', ')}`;
}

/** What others chose, such as names of programs: nothing that could end the comment. */
function printable(text: string, length = 32): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, length);
}

const DHCP_CLIENT_PORT = 68;
