import { RefusedError } from '../kernel/errors';

/** What enforces goes on, but nobody can tell any more what its sections are. */
export class RecordLostError extends RefusedError {
  constructor(what = 'nobody knows its sections') {
    super('operate/record-lost', `the record of what enforces is lost: ${what}`, {
      hint: 'nothing was changed; sluice apply writes it anew',
    });
  }
}
