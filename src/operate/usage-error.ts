import { SluiceError } from '../kernel/errors';

/** Words that are no use of a command, such as a number out of range: nothing was looked at, or changed. */
export class UsageError extends SluiceError {
  constructor(message: string, hint?: string) {
    super('cli/usage', message, hint === undefined ? {} : { hint });
  }
}
