import { types } from 'node:util';
import { SluiceError } from '../kernel/errors';

/** The errno name of a Node.js file system error (`ENOENT`), or undefined where it is something else. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

const NO_SUCH_FILE: Readonly<Record<string, string | undefined>> = { ENOENT: 'there is no such file or folder' };

/** A `SluiceError` for a file operation that failed: what was tried, on which file, the errno name. */
export function fileError(code: string, operation: string, path: string, error: unknown, hint?: string): SluiceError {
  const errno = errnoOf(error) ?? (error instanceof Error ? error.message : String(error));
  const permission = errno === 'EACCES' || errno === 'EPERM';
  return new SluiceError(code, `cannot ${operation} "${path}": ${errno}`, {
    hint: hint ?? (permission ? 'run as root, or as the owner of the file' : NO_SUCH_FILE[errno]),
    cause: error,
  });
}

/** What an exception says. */
export function messageOf(error: unknown): string {
  return types.isNativeError(error) ? error.message : String(error);
}
