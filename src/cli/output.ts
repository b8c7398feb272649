/**
 * Where a command writes: data on stdout, talk on stderr; with `--json` one document on stdout and nothing else.
 * Whatever a ruleset, a file name or a program's name holds, no control character of theirs reaches the terminal.
 */
import { types } from 'node:util';
import { escapeJson, escapeLines } from '../diagnostics/display';
import { PrivilegeError, RefusedError, SluiceError, UnsupportedError } from '../kernel/errors';
import { UsageError } from '../operate/usage-error';
import { EXIT, type ExitCode } from './exit-code';

/** Ends a command with a code after its own output has been written. */
export class Exit extends Error {
  constructor(readonly code: ExitCode) {
    super(`exit ${code}`);
  }
}

export { UsageError };

let readerGone = false;

/**
 * A reader that went away (`sluice status | head`) neither ends a command, which may be in the middle of a change, nor
 * is an error; output that cannot be written (a full disk) is one.
 */
export function watchStreams(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') {
        readerGone ||= stream === process.stdout;
        return;
      }
      if (stream === process.stdout) process.stderr.write(`error: the output cannot be written: ${error.message}\n`);
      process.once('exit', () => (process.exitCode = EXIT.SYSTEM));
    });
  }
}

/** Milliseconds after which somebody at a terminal is told what a command is at. */
const SOON_MS = 1000;

export class Output {
  #indent = 2;
  readonly #began = performance.now();
  #progressIsShown = false;

  constructor(readonly json: boolean) {}

  /**
   * What the command is at now, in a line of the terminal that the next one replaces: only there, and only once it has
   * taken a second, or where it is known to take longer. Whatever else is written takes its place.
   */
  progress(text: string, takesLong = false): void {
    if (this.json || !process.stderr.isTTY) return;
    if (!this.#progressIsShown && !takesLong && performance.now() - this.#began < SOON_MS) return;
    // cut off at the edge: a line that wraps cannot be taken back
    const fitting = escapeLines(text).slice(0, (process.stderr.columns || 80) - 2);
    process.stderr.write(`\r\u001b[K${fitting}`);
    this.#progressIsShown = true;
  }

  /** Takes the line of `progress` away. */
  endProgress(): void {
    if (!this.#progressIsShown) return;
    process.stderr.write('\r\u001b[K');
    this.#progressIsShown = false;
  }

  /** From now on each document of `--json` is one line (JSON lines): for a command that writes more than one. */
  documentsAsLines(): void {
    this.#indent = 0;
  }

  /** Whether nobody reads stdout any more: what only prints can stop. */
  get unread(): boolean {
    return readerGone;
  }

  /** A line of data; left out with `--json`. */
  line(text = ''): void {
    if (this.json) return;
    this.endProgress();
    process.stdout.write(`${escapeLines(text)}\n`);
  }

  /** Moves the terminal's cursor home and clears the screen; does nothing where stdout is none. */
  clear(): void {
    if (!this.json && process.stdout.isTTY) process.stdout.write('\u001b[H\u001b[2J');
  }

  /** Talk about what is being done; left out with `--json`. */
  say(text: string): void {
    if (this.json) return;
    this.endProgress();
    process.stderr.write(`${escapeLines(text)}\n`);
  }

  /** The same for text that is coloured, and made fit for a terminal, already. */
  sayColoured(text: string): void {
    if (this.json) return;
    this.endProgress();
    process.stderr.write(`${text}\n`);
  }

  /** A document of `--json`, the only one unless they are lines; left out without. */
  document(body: Readonly<Record<string, unknown>>, exitCode: ExitCode = EXIT.DONE): void {
    if (!this.json) return;
    const document = { schemaVersion: 1, ok: exitCode === EXIT.DONE, exitCode, ...body };
    process.stdout.write(`${escapeJson(JSON.stringify(document, bigintText, this.#indent))}\n`);
  }

  /** One line of a stream, JSON always. */
  streamLine(body: unknown): void {
    process.stdout.write(`${escapeJson(JSON.stringify(body, bigintText))}\n`);
  }

  /** Reports an exception and returns its exit code. */
  failure(error: unknown): ExitCode {
    const code = exitCodeOf(error);
    if (this.json) {
      const { message, code: errorCode, hint } = describe(error);
      this.document({ error: { code: errorCode, message, ...(hint !== undefined && { hint }) } }, code);
    } else {
      const { message, hint } = describe(error);
      this.endProgress();
      process.stderr.write(escapeLines(`error: ${message}\n${hint === undefined ? '' : `  ${hint}\n`}`));
    }
    return code;
  }
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof RefusedError) return EXIT.REFUSED;
  if (error instanceof UsageError) return EXIT.USAGE;
  if (error instanceof PrivilegeError || error instanceof UnsupportedError) return EXIT.UNSUPPORTED;
  return EXIT.SYSTEM;
}

function describe(error: unknown): { code: string; message: string; hint?: string } {
  if (error instanceof SluiceError) {
    return { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
  }
  if (isSystemError(error)) return { code: 'system', message: error.message };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'internal', message: `internal error: ${message}`, hint: 'this is a bug in sluice: please report it' };
}

/** What node throws when a system call fails: its message names errno, call and path. */
function isSystemError(error: unknown): error is Error {
  return types.isNativeError(error) && 'syscall' in error && 'errno' in error;
}
