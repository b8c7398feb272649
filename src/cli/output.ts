/** Where a command writes: data on stdout, talk on stderr; with `--json` one document on stdout and nothing else. */
import { PrivilegeError, SluiceError, UnsupportedError } from '../kernel/errors';
import { LockoutError } from '../operate/apply';
import { EXIT, type ExitCode } from './exit-code';

/** Ends a command with a code after its own output has been written. */
export class Exit extends Error {
  constructor(readonly code: ExitCode) {
    super(`exit ${code}`);
  }
}

/** Wrong usage that commander cannot see, such as a number out of range. */
export class UsageError extends SluiceError {
  constructor(message: string, hint?: string) {
    super('cli/usage', message, hint === undefined ? {} : { hint });
  }
}

export class Output {
  constructor(readonly json: boolean) {}

  /** A line of data; left out with `--json`. */
  line(text = ''): void {
    if (!this.json) process.stdout.write(`${text}\n`);
  }

  /** Talk about what is being done; left out with `--json`. */
  say(text: string): void {
    if (!this.json) process.stderr.write(`${text}\n`);
  }

  /** The one document of `--json`; left out without. */
  document(body: Readonly<Record<string, unknown>>, exitCode: ExitCode = EXIT.DONE): void {
    if (!this.json) return;
    process.stdout.write(
      `${JSON.stringify({ schemaVersion: 1, ok: exitCode === EXIT.DONE, exitCode, ...body }, bigintText, 2)}\n`,
    );
  }

  /** One line of a stream, JSON always. */
  streamLine(body: unknown): void {
    process.stdout.write(`${JSON.stringify(body, bigintText)}\n`);
  }

  /** Reports an exception and returns its exit code. */
  failure(error: unknown): ExitCode {
    const code = exitCodeOf(error);
    if (this.json) {
      const { message, code: errorCode, hint } = describe(error);
      this.document({ error: { code: errorCode, message, ...(hint !== undefined && { hint }) } }, code);
    } else {
      const { message, hint } = describe(error);
      process.stderr.write(`error: ${message}\n${hint === undefined ? '' : `  ${hint}\n`}`);
    }
    return code;
  }
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof LockoutError) return EXIT.REFUSED;
  if (error instanceof UsageError) return EXIT.USAGE;
  if (error instanceof PrivilegeError || error instanceof UnsupportedError) return EXIT.UNSUPPORTED;
  return EXIT.SYSTEM;
}

function describe(error: unknown): { code: string; message: string; hint?: string } {
  if (error instanceof SluiceError) {
    return { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'internal', message: `internal error: ${message}`, hint: 'this is a bug in sluice: please report it' };
}
