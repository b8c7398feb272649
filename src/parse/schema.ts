/**
 * The shape of a ruleset file: which keys there are and what kind of value each takes. The only file that
 * knows zod. What a value means (addresses, ports, names) is decided by the readers, which know its place.
 */
import { z } from 'zod';
import { DEFAULT_ECHO_RATES, MAX_ECHO_RATE } from '../model/echo';
import { DEFAULT_MAX_FLOWS, LEAST_MAX_FLOWS, MOST_MAX_FLOWS } from '../model/flow';
import { LOG_LEVELS } from '../model/logging';
import { DEFAULT_OWNER_QUOTAS, MOST_OWNER_QUOTAS, OWNER_MODES, type OwnerQuotas } from '../model/owner-access';
import { hasControlCharacter } from './finding';

const text = (expected: string): z.ZodString => z.string({ error: expected });
const word = (expected: string): z.ZodUnion<readonly [z.ZodString, z.ZodInt]> =>
  z.union([z.string(), z.int()], { error: expected });
const several = <T extends z.ZodType>(one: T, expected: string): z.ZodUnion<readonly [T, z.ZodArray<T>]> =>
  z.union([one, z.array(one, { error: expected })], { error: expected });
const choice = <const T extends readonly string[]>(values: T): z.ZodEnum<{ [K in T[number]]: K }> =>
  z.enum(values, { error: `one of ${values.join(', ')}` });
const onOff = z.union([z.boolean(), z.enum(['on', 'off', 'yes', 'no', 'true', 'false'])], { error: 'on or off' });

const ADDRESSES = 'an address, a prefix, a set, any, or a list of them';
const PORTS = 'a port, a range 8000:8080, a service, or a list of them';
const addresses = several(text(ADDRESSES), ADDRESSES).meta({
  examples: ['any', '10.0.0.0/8', '2001:db8::/32', 'office'],
});
const ports = several(word(PORTS), PORTS).meta({ examples: [22, '8000:8080', '80,443', 'https'] });
const protocols = several(
  word('the name or number of a protocol'),
  'the name or number of a protocol, or a list of them',
);

const matchKeys = {
  proto: protocols
    .optional()
    .meta({ description: 'tcp, udp, icmp, icmpv6, a name or an IANA number; left out with a port: tcp and udp' }),
  from: addresses.optional().meta({ description: 'source: address, prefix, set, several, any' }),
  to: addresses.optional().meta({ description: 'destination: address, prefix, set, several, any' }),
  port: ports.optional().meta({ description: 'destination port: number, range, list, service' }),
  'from-port': ports.optional().meta({ description: 'source port: number, range, list, service' }),
  'icmp-type': several(
    word('the name or number of an ICMP type'),
    'the name or number of an ICMP type, or a list of them',
  )
    .optional()
    .meta({ description: 'ICMP type by name, or type or type/code by number' }),
  family: choice(['ipv4', 'ipv6', 'any']).optional().meta({ description: 'only packets of this family' }),
};

const later = z.unknown().optional().meta({ description: 'not supported yet' });

const LIMIT = 'attempts and a time such as 6/30s';
const PER = 'a prefix length such as /24, or /24,/56 for IPv4 and IPv6';
const ruleObject = z.strictObject(
  {
    id: word('an id')
      .optional()
      .meta({ description: 'unique in its section; left out: derived from action and match' }),
    action: choice(['allow', 'deny', 'reject', 'limit']).meta({
      description:
        'allow; deny: drop without an answer; reject: drop and answer; limit: allow, but not too many new connections of a source',
    }),
    ...matchKeys,
    enabled: onOff.optional().meta({ description: 'off: the rule keeps its place and matches nothing' }),
    note: word('a line of text').optional().meta({ description: 'why the rule is there' }),
    owner: word('a line of text').optional().meta({ description: 'who answers for it' }),
    review: text('a date such as 2027-01-31').optional().meta({ description: 'when to look at it again, YYYY-MM-DD' }),
    direction: choice(['in', 'out'])
      .optional()
      .meta({ description: 'which packets a row of the guard sees; left out: those that come in' }),
    in: later,
    log: z
      .union([z.boolean(), z.enum(['on', 'off', 'yes', 'no', 'true', 'false', 'all'])], { error: 'on, off or all' })
      .optional()
      .meta({ description: 'on: tell of the first packet of each connection; all: of every packet' }),
    limit: text(LIMIT)
      .optional()
      .meta({
        description: 'with action limit: which attempt is refused; left out: 6/30s',
        examples: ['6/30s', '20/10s'],
      }),
    verdict: choice(['reject', 'deny'])
      .optional()
      .meta({ description: 'with action limit: what becomes of the attempts that are too many; left out: reject' }),
    per: several(text(PER), PER)
      .optional()
      .meta({
        description: 'with action limit: prefix lengths of what is one source; left out: /32 and /64',
        examples: ['/24', '/24,/56'],
      }),
    until: text('a moment such as 2027-01-31T18:00')
      .optional()
      .meta({
        description:
          'the rule ends then: a day (its first moment) or a time, of this machine where no zone is written; the daemon ends it',
        examples: ['2027-01-31', '2027-01-31T18:00', '2027-01-31T18:00Z', '2027-01-31T18:00+01:00'],
      }),
  },
  { error: 'a rule: action, from, port …' },
);

const ROW = 'a row such as allow 22/tcp, or a map such as { action: allow, port: 22 }';
const row = z.union([text(ROW).meta({ examples: ['allow from 10.0.0.0/8 to any port 22 proto tcp'] }), ruleObject], {
  error: ROW,
});
const ROWS = 'a list of rows, or a block of them behind |';
const rows = z.union([z.string(), z.array(row)], { error: ROWS });

const SSH = 'off, or a map such as { port: 22, from: anyone }';
const sshObject = z.strictObject(
  {
    port: several(z.int({ error: 'a port from 1 to 65535' }), 'a port, or a list of ports').meta({
      description: 'the SSH port, or a list',
    }),
    from: choice(['anyone', 'rules']).meta({
      description: 'anyone: let in by an own row behind yours; rules: only what your rows allow',
    }),
  },
  { error: SSH },
);

const section = z.strictObject(
  {
    default: choice(['allow', 'deny', 'reject'])
      .optional()
      .meta({ description: 'what becomes of a packet that no row matches; left out: deny' }),
    udp: onOff.optional().meta({ description: 'off: UDP that begins outside drops before the rows; left out: on' }),
    ssh: z
      .union([sshObject, z.enum(['off', 'no', 'false']), z.literal(false)], { error: SSH })
      .optional()
      .meta({ description: 'the SSH row' }),
    rules: rows.optional().meta({ description: 'read top to bottom, the first that matches decides' }),
  },
  { error: 'a map: default, udp, ssh, rules' },
);

const OWNER = 'a map such as { group: gpu-17, mode: 0660 }';
const quota = (name: keyof OwnerQuotas, description: string): z.ZodOptional<z.ZodInt> => {
  const expected = `a number from 1 to ${MOST_OWNER_QUOTAS[name]}`;
  return z
    .int({ error: expected })
    .min(1, { error: expected })
    .max(MOST_OWNER_QUOTAS[name], { error: expected })
    .optional()
    .meta({ description: `${description}; left out: ${DEFAULT_OWNER_QUOTAS[name]}` });
};
const ownerObject = z.strictObject(
  {
    group: word('the name or number of a group').meta({ description: 'who may connect to the socket of the server' }),
    mode: word(`one of ${OWNER_MODES.join(', ')}`)
      .optional()
      .meta({
        description: 'mode of the socket; left out: 0660',
        examples: [...OWNER_MODES],
      }),
    rules: quota('rules', 'rows he may have'),
    entries: quota('entries', 'addresses times ports that his rows may name together'),
    changes: quota('changes', 'changes he may try within a minute'),
  },
  { error: OWNER },
);

const SERVER = 'a map: address, ports, target, ssh, udp, default, rules, owner';
const server = z.strictObject(
  {
    address: several(text('an address or a prefix'), 'an address, a prefix, or a list of them').meta({
      description: 'what it owns, as it is on the wire before NAT: one or several, IPv4, IPv6, prefixes',
      examples: ['198.51.100.7', ['198.51.100.7', '2001:db8::7']],
    }),
    ports: several(word('a port or a range 14500-14599'), 'a port, a range 14500-14599, or a list of them')
      .optional()
      .meta({
        description: 'it owns TCP and UDP to these; left out: all that goes to its addresses',
        examples: ['14500-14599'],
      }),
    target: text('an address').optional().meta({ description: 'its inner address behind NAT; only shown' }),
    default: section.shape.default,
    udp: onOff.optional().meta({ description: 'off: UDP that begins outside drops before the rows; left out: off' }),
    ssh: section.shape.ssh,
    rules: section.shape.rules,
    owner: ownerObject.optional().meta({
      description: 'who may change its rows through a socket of the daemon, and how many; left out: nobody',
    }),
  },
  { error: SERVER },
);
const SERVERS = 'a map of servers, or { dir: servers.d }';
const servers = z.union(
  [
    z.record(z.string(), server, { error: SERVERS }),
    z.strictObject(
      {
        dir: text('a folder').meta({
          description:
            'a folder below that of this file: each *.yaml, *.yml and *.json in it is the server of its name, as a map of address, ports, rules …',
          examples: ['servers.d'],
        }),
      },
      { error: SERVERS },
    ),
  ],
  { error: SERVERS },
);

const outboundSection = z.strictObject(
  {
    default: choice(['allow', 'deny', 'reject'])
      .optional()
      .meta({ description: 'what becomes of a packet that no row matches; left out: allow' }),
    rules: rows.optional().meta({ description: 'read top to bottom, the first that matches decides' }),
  },
  { error: 'a map: default, rules' },
);

const KEPT = 'a map such as { from: office, port: 22/tcp }, or a row such as allow from 192.0.2.1 to any port 22';
const keptObject = z.strictObject(
  {
    id: ruleObject.shape.id,
    ...matchKeys,
    server: later,
    enabled: ruleObject.shape.enabled,
    note: ruleObject.shape.note,
    owner: ruleObject.shape.owner,
    review: ruleObject.shape.review,
  },
  { error: KEPT },
);

const guard = z.strictObject(
  {
    'keep-reachable': z
      .array(z.union([text(KEPT), keptObject], { error: KEPT }), { error: 'a list of entries' })
      .optional()
      .meta({ description: 'lets in, whatever stands below; removing or narrowing an entry needs --force' }),
    rules: rows.optional().meta({ description: 'above every section; deny is final, allow only ends the guard' }),
  },
  { error: 'a map: keep-reachable, rules' },
);

const SET = 'a list of addresses, or { file: PATH }';
const setFile = z.strictObject(
  { file: text('a path').meta({ description: 'plain text, a prefix a line, relative to this file' }) },
  { error: SET },
);
const set = z.union([z.string(), z.array(text('an address or a prefix')), setFile], { error: SET });

const EXPECTATION = 'a line such as allow tcp from 192.0.2.1 to 198.51.100.7 port 22';
const expectObject = z.strictObject(
  {
    verdict: choice(['allow', 'deny', 'reject']).meta({ description: 'what must become of every such packet' }),
    direction: choice(['in', 'out']).optional().meta({ description: 'left out: packets that come in' }),
    ...matchKeys,
  },
  { error: EXPECTATION },
);

const ECHO_RATE = `a number of packets a second from 1 to ${MAX_ECHO_RATE}`;
const echoRate = z.int({ error: ECHO_RATE }).min(1, { error: ECHO_RATE }).max(MAX_ECHO_RATE, { error: ECHO_RATE });
const ICMP = 'essentials, rules, or a map such as { mode: essentials, echo-rate: 1000, echo-rate-per-source: 10 }';
const ICMP_MODES = ['essentials', 'rules'] as const;
const icmpObject = z.strictObject(
  {
    mode: choice(ICMP_MODES).optional().meta({ description: 'left out: essentials' }),
    'echo-rate': echoRate
      .optional()
      .meta({ description: `echo-requests that pass in a second; left out: ${DEFAULT_ECHO_RATES.inAll}` }),
    'echo-rate-per-source': echoRate.optional().meta({
      description: `of one source, an IPv4 address or an IPv6 /64; left out: ${DEFAULT_ECHO_RATES.perSource}`,
    }),
  },
  { error: ICMP },
);

const MAX_FLOWS = `a number from ${LEAST_MAX_FLOWS} to ${MOST_MAX_FLOWS}`;
const FLOWS = 'a map such as { max: 1000000 }';
const flows = z.strictObject(
  {
    max: z
      .int({ error: MAX_FLOWS })
      .min(LEAST_MAX_FLOWS, { error: MAX_FLOWS })
      .max(MOST_MAX_FLOWS, { error: MAX_FLOWS })
      .optional()
      .meta({
        description: `connections opened from inside that are remembered at once; left out: ${DEFAULT_MAX_FLOWS}`,
      }),
  },
  { error: FLOWS },
);

const MAP = 'a map of names';
const ruleset = z
  .strictObject(
    {
      $schema: z.string().optional(),
      version: z.literal(1, { error: '1' }).meta({ description: 'version of this format' }),
      interfaces: several(text('the name of an interface'), 'auto, or a list of interfaces')
        .optional()
        .meta({ description: 'auto: those with a default route', examples: ['auto', ['eth0']] }),
      mode: choice(['auto', 'native', 'generic'])
        .optional()
        .meta({ description: 'how the program is attached; auto: native where it works' }),
      icmp: z
        .union([choice(ICMP_MODES), icmpObject], { error: ICMP })
        .optional()
        .meta({ description: 'essentials: echo and errors pass before the rows; rules: the rows decide' }),
      ethertypes: z
        .array(word('an ethertype'), { error: 'a list of ethertypes' })
        .optional()
        .meta({
          description: 'non-IP protocols that pass, by name or number; left out: lldp, lacp, 802.1x',
          examples: [['lldp', '0x88f7']],
        }),
      fragments: choice(['track', 'drop'])
        .optional()
        .meta({ description: 'track: later fragments follow a first one that passed; drop: no fragment comes in' }),
      flows: flows.optional().meta({ description: 'the table of what was opened from inside' }),
      logging: z
        .union([z.boolean(), z.enum(['on', 'yes', 'no', 'true', 'false', ...LOG_LEVELS])], {
          error: `one of ${LOG_LEVELS.join(', ')}`,
        })
        .optional()
        .meta({ description: 'how much is told of packets, as ufw does; on is low; left out: low' }),
      sets: z.record(z.string(), set, { error: MAP }).optional().meta({ description: 'named lists of addresses' }),
      services: z
        .record(z.string(), several(word('a port such as 9100/tcp'), 'a port such as 9100/tcp, or a list'), {
          error: MAP,
        })
        .optional()
        .meta({ description: 'named ports', examples: [{ metrics: '9100/tcp' }] }),
      guard: guard.optional().meta({ description: 'what stands above every section' }),
      inbound: section.optional().meta({ description: 'packets that come in' }),
      outbound: outboundSection.optional().meta({ description: 'packets that go out' }),
      servers: servers.optional().meta({
        description:
          'rows of their own for servers behind this machine, by name; a packet is judged by one section only',
      }),
      boot: choice(['closed', 'open']).optional().meta({
        description:
          'what a boot does when no ruleset that enforced before loads: closed: essentials, keep-reachable and SSH pass, nothing else; open: everything passes',
      }),
      expect: z
        .array(z.union([text(EXPECTATION), expectObject], { error: EXPECTATION }), { error: 'a list of expectations' })
        .optional()
        .meta({ description: 'must hold for every packet described; check and apply refuse when one does not' }),
    },
    { error: 'a ruleset: version, interfaces, inbound …' },
  )
  .meta({ title: 'sluice ruleset' });

/** What is wrong with the shape of a value; `path` leads to it from the root. */
export type ShapeProblem =
  | {
      readonly kind: 'unknown-key';
      readonly path: readonly (string | number)[];
      readonly key: string;
      readonly known: readonly string[];
    }
  | {
      readonly kind: 'missing-key';
      readonly path: readonly (string | number)[];
      readonly key: string;
      readonly expected: string;
    }
  | {
      readonly kind: 'value' | 'type';
      readonly path: readonly (string | number)[];
      readonly expected: string;
      /** The possible words, where the value is one of a few. */
      readonly values: readonly string[];
    };

/** Compares plain data with the shape of a ruleset; every problem, in no particular order. */
export function findShapeProblems(plain: unknown): ShapeProblem[] {
  const result = ruleset.safeParse(plain);
  return result.success ? [] : result.error.issues.flatMap((issue) => readIssue(issue, [], plain));
}

type Path = readonly (string | number)[];
type Issue = z.core.$ZodIssue;

function readIssue(issue: Issue, base: Path, plain: unknown): ShapeProblem[] {
  const path: Path = [...base, ...(issue.path as Path)];
  if (issue.code !== 'unrecognized_keys' && isMissing(plain, path)) return [missing(path, issue.message)];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ kind: 'unknown-key', path, key, known: knownKeys(path) }));
    case 'invalid_union': {
      const branch = closestBranch(issue.errors);
      if (branch) return branch.flatMap((inner) => readIssue(inner, path, plain));
      const values = issue.errors
        .flat()
        .flatMap((inner) => (inner.code === 'invalid_value' ? inner.values.map(String) : []));
      return [{ kind: 'type', path, expected: issue.message, values }];
    }
    case 'invalid_value':
      return [{ kind: 'value', path, expected: issue.message, values: issue.values.map(String) }];
    default:
      return [{ kind: 'type', path, expected: issue.message, values: [] }];
  }
}

function missing(path: Path, expected: string): ShapeProblem {
  return { kind: 'missing-key', path: path.slice(0, -1), key: String(path[path.length - 1]), expected };
}

/** The alternative whose kind is right and whose inside is wrong, if there is one. */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  return branches.find(
    (issues) =>
      issues.length > 0 && issues.every((issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys'),
  );
}

function isMissing(plain: unknown, path: Path): boolean {
  let value: unknown = plain;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return true;
    value = (value as Record<string | number, unknown>)[key];
  }
  return false;
}

function knownKeys(path: Path): string[] {
  const [first, second] = path;
  if (first === 'servers') {
    // Beside it: the others are files of that folder.
    if (path.length === 1) return ['dir'];
    if (path.length === 2) return Object.keys(server.shape);
    return Object.keys((path[2] === 'ssh' ? sshObject : path[2] === 'owner' ? ownerObject : ruleObject).shape);
  }
  if (path.length === 0) return Object.keys(ruleset.shape);
  if (path.length === 1) {
    if (first === 'inbound') return Object.keys(section.shape);
    if (first === 'outbound') return Object.keys(outboundSection.shape);
    if (first === 'guard') return Object.keys(guard.shape);
  }
  if (second === 'keep-reachable') return Object.keys(keptObject.shape);
  if (first === 'inbound' && second === 'ssh') return Object.keys(sshObject.shape);
  if (first === 'inbound' || first === 'outbound' || first === 'guard') return Object.keys(ruleObject.shape);
  if (first === 'icmp') return Object.keys(icmpObject.shape);
  if (first === 'sets') return Object.keys(setFile.shape);
  return Object.keys(expectObject.shape);
}

/** What an owner may ask through the socket of his server. */
export const OWNER_VERBS = [
  ...(['status', 'check', 'explain', 'doctor', 'who-reaches', 'events', 'history', 'diff'] as const),
  ...(['allow', 'deny', 'reject', 'limit', 'insert', 'delete', 'move', 'default', 'udp', 'ssh'] as const),
  ...(['allow-all', 'rollback', 'confirm'] as const),
] as const;
export type OwnerVerb = (typeof OWNER_VERBS)[number];

const WORD = 'a text of 1 to 4096 characters, none of them a control character';
const wordOfRequest = z
  .string({ error: WORD })
  .min(1, { error: WORD })
  .max(4096, { error: WORD })
  .refine((text) => !hasControlCharacter(text), { error: WORD });
/** Longest time for which an owner waits to see who comes. */
export const MOST_OWNER_WAIT_SECONDS = 60;
const WAIT = `whole seconds from 1 to ${MOST_OWNER_WAIT_SECONDS}`;
const DIGEST = 'the first 7 digits or more of a digest';
const ownerRequest = z.strictObject(
  {
    version: z.literal(1, { error: '1' }),
    verb: z.enum(OWNER_VERBS, { error: `one of ${OWNER_VERBS.join(', ')}` }),
    words: z.array(wordOfRequest, { error: 'a list of words' }).max(1000, { error: 'at most 1000 words' }).default([]),
    for: wordOfRequest.optional(),
    until: wordOfRequest.optional(),
    confirm: wordOfRequest.optional(),
    message: wordOfRequest.optional(),
    wait: z.int({ error: WAIT }).min(1, { error: WAIT }).max(MOST_OWNER_WAIT_SECONDS, { error: WAIT }).optional(),
    report: z.literal(true, { error: 'true' }).optional(),
    ifDigest: z
      .string({ error: DIGEST })
      .regex(/^[0-9a-f]{7,64}$/i, { error: DIGEST })
      .optional(),
  },
  { error: 'a map: version, verb, words' },
);
/** One question or change of an owner. */
export type OwnerRequest = Readonly<z.output<typeof ownerRequest>>;

/** The request, or what is wrong with the first thing that is. */
export function findRequestProblem(plain: unknown): OwnerRequest | string {
  const result = ownerRequest.safeParse(plain);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue.path.length === 0 ? 'the request' : `"${issue.path.join('.')}"`;
  return issue.code === 'unrecognized_keys'
    ? `"${issue.keys[0].slice(0, 40)}" is no key of a request`
    : `${place} is not what was expected: ${issue.message}`;
}

/** JSON Schema (draft-07) of the ruleset file, for editors. */
export function rulesetJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(ruleset, { target: 'draft-7', io: 'input' });
}
