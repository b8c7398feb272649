/** Exceptions about the system, from `kernel/` upwards. Findings about the ruleset are diagnostics, never these. */

/** Base of every exception sluice throws on purpose. */
export class SluiceError extends Error {
  /** Stable code, such as `kernel/attach`. */
  readonly code: string;
  /** What to do about it. */
  readonly hint?: string;

  constructor(code: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
  }
}

/** A kernel operation failed. */
export class KernelError extends SluiceError {
  /** The operation, such as `load program slc_ingress`. */
  readonly operation: string;
  /** Name of the errno, such as `EPERM`. */
  readonly errno: string;
  /** For a batch: entries written before the failure. */
  readonly written?: number;

  constructor(
    operation: string,
    errno: string,
    options: { hint?: string; cause?: unknown; written?: number; code?: string; detail?: string } = {},
  ) {
    super(options.code ?? 'kernel/failed', options.detail ?? `${operation}: ${errno}`, options);
    this.operation = operation;
    this.errno = errno;
    this.written = options.written;
  }
}

/** The verifier refused a program; `lines` are the ones that tell why, `log` is everything. */
export class VerifierError extends KernelError {
  readonly lines: readonly string[];
  readonly omitted: number;
  readonly log: string;

  constructor(operation: string, errno: string, lines: readonly string[], omitted: number, log: string) {
    super(operation, errno, {
      code: 'kernel/verifier',
      detail: `${operation}: the kernel's verifier refused the program (${errno}), last lines of ${omitted + lines.length}:\n${lines
        .map((line) => `    ${line}`)
        .join('\n')}`,
      hint: 'this is a bug in sluice: please report it with the output of `sluice version --json`',
    });
    this.lines = lines;
    this.omitted = omitted;
    this.log = log;
  }
}

/** The kernel or driver lacks something sluice needs. */
export class UnsupportedError extends SluiceError {
  readonly feature: string;

  constructor(feature: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super('kernel/unsupported', message, options);
    this.feature = feature;
  }
}

/** Refused for the safety of whoever asked, or of others; the hint tells how to do it all the same. */
export class RefusedError extends SluiceError {}

/** Capabilities are missing. */
export class PrivilegeError extends SluiceError {
  readonly missing: readonly string[];

  constructor(missing: readonly string[]) {
    super('kernel/privilege', `missing ${missing.join(', ')}`, {
      hint: 'run as root, or give the process these capabilities',
    });
    this.missing = missing;
  }
}
