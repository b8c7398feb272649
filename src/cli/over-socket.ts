/** `--socket`: a command of a server's owner, which the provider's daemon does for him. */
import { connect } from 'node:net';
import type { Command } from 'commander';
import { SluiceError } from '../kernel/errors';
import type { OwnerAnswer, OwnerFinding } from '../operate/owner/answer';
import { OWNER_VERBS, type OwnerVerb } from '../parse/schema';
import { EXIT, type ExitCode } from './exit-code';
import type { ServerSection } from '../observe/server-page';
import { formatServerStatus, type StatusForm } from './format-status';
import { type Output, UsageError } from './output';

/** Options that go with a request, and those that are about how it is shown. */
const SENT = ['for', 'until', 'confirm', 'message', 'ifDigest'] as const;
const OWN: ReadonlySet<string> = new Set(['socket', 'json', 'wait', 'report', ...SENT]);

const FORMS: readonly string[] = ['plain', 'numbered', 'verbose'];

/** Asks what the command says, and shows the answer. Throws `UsageError` for what owners have no say in. */
export async function askThroughSocket(
  path: string,
  command: Command,
  positional: readonly unknown[],
  output: Output,
): Promise<ExitCode> {
  const typed = command.name();
  // The same in other words, for him as for the provider.
  const [verb, first] = typed === 'prepend' ? ['insert', ['1']] : [typed, []];
  if (!(OWNER_VERBS as readonly string[]).includes(verb))
    throw new UsageError(`"${verb}" is the provider's: through a socket there are ${OWNER_VERBS.join(', ')}`);
  for (let level: Command | null = command; level; level = level.parent)
    for (const option of level.options) {
      const name = option.attributeName();
      if (!OWN.has(name) && level.getOptionValueSource(name) === 'cli')
        throw new UsageError(`${option.long ?? name} is the provider's: through a socket ${verb} goes without it`);
    }
  const words = [...first, ...positional.flat().filter((word): word is string => typeof word === 'string')];
  const form = verb === 'status' ? words.find((word) => FORMS.includes(word)) : undefined;
  const options = command.opts<
    Partial<Record<(typeof SENT)[number], string | false>> & { readonly wait?: number; readonly report?: boolean }
  >();
  const wait = options.wait === undefined ? undefined : Math.ceil(options.wait / 1000);
  const request = {
    ...{ version: 1, verb: verb as OwnerVerb, words: words.filter((word) => word !== form) },
    ...(wait !== undefined && { wait }),
    ...(options.report && { report: true }),
    ...Object.fromEntries(SENT.flatMap((name) => (typeof options[name] === 'string' ? [[name, options[name]]] : []))),
  };
  const answer = await ask(path, request, () => {
    if (wait !== undefined) output.say(`connect now: looking for ${wait} s`);
  });
  const code = exitCodeOf(answer);
  for (const line of answer.lines) output.line(line);
  if (verb === 'status' && answer.ok) showStatus(answer, (form ?? 'plain') as StatusForm, output);
  for (const finding of answer.findings) output.say(findingText(finding));
  if (answer.error) {
    const { message, hint } = answer.error;
    output.say(`error: ${message}${hint === undefined ? '' : `\n  ${hint}`}`);
  }
  const body: Record<string, unknown> = { ...answer };
  delete body.lines;
  output.document(body, code);
  return code;
}

/** One request, one answer. */
async function ask(path: string, request: object, sent: () => void): Promise<OwnerAnswer> {
  const text = await new Promise<string>((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(path);
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`, sent));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => resolve(Buffer.concat(chunks).toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const hint = error.code === undefined ? undefined : HINTS[error.code];
      reject(new SluiceError('cli/socket', `"${path}" does not answer: ${error.message}`, hint ? { hint } : {}));
    });
  });
  try {
    return JSON.parse(text) as OwnerAnswer;
  } catch (error) {
    throw new SluiceError('cli/socket', `"${path}" ended before it answered`, {
      hint: 'the daemon was stopped: whether a change was made says status',
      cause: error,
    });
  }
}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'the provider gives the path; there is none while his daemon does not run, or your server is not filtered',
  EACCES: 'only its group may connect: id shows yours',
  ECONNREFUSED: 'the provider’s daemon does not run',
};

const EXIT_OF: Readonly<Record<string, ExitCode>> = {
  'owner/ruleset': EXIT.RULESET,
  'cli/usage': EXIT.USAGE,
  'owner/request': EXIT.USAGE,
  'owner/provider': EXIT.REFUSED,
  'owner/quota': EXIT.REFUSED,
  'owner/rate': EXIT.REFUSED,
  'owner/pending': EXIT.REFUSED,
  'owner/busy': EXIT.REFUSED,
  'owner/changed': EXIT.REFUSED,
};

function exitCodeOf({ ok, error }: OwnerAnswer): ExitCode {
  return ok ? EXIT.DONE : (EXIT_OF[error?.code ?? ''] ?? EXIT.SYSTEM);
}

function showStatus(answer: OwnerAnswer, form: StatusForm, output: Output): void {
  const section = { ...(answer as OwnerAnswer & { readonly section: ServerSection }).section };
  // That stands in the lines, in words that are his.
  delete (section as { waiting?: unknown }).waiting;
  const { takenAt, active, quotas } = answer as OwnerAnswer & {
    readonly takenAt: string;
    readonly active: boolean;
    readonly quotas: Record<'rules' | 'entries', { used: number; most: number }> & { changes: number };
  };
  const { rules, entries, changes } = quotas;
  output.line(formatServerStatus(section, { takenAt, active, pending: null }, form));
  output.line();
  output.line(
    `yours: ${rules.used} of ${rules.most} rules, ${entries.used} of ${entries.most} entries, ${changes} changes a minute`,
  );
}

function findingText({ severity, code, message, hint, notes }: OwnerFinding): string {
  return [
    `${severity} ${code}: ${message}`,
    ...(hint === null ? [] : [`  hint: ${hint}`]),
    ...notes.map((note) => `  note: ${note}`),
  ].join('\n');
}
