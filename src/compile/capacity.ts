/** Ceilings of the compiler. What exceeds one is refused by name, never compiled half. */

/** Image rules (rows with their lists multiplied out, both families together) that one image takes. */
export const MAX_IMAGE_RULES = 2_097_152;
/** Distinct services: a leaf rule names its service with 19 bits. */
export const MAX_SERVICES = 524_288;
/** 8-byte slots of an image: 256 MiB. */
export const MAX_IMAGE_SLOTS = 1 << 25;

/** The ruleset needs more than a ceiling allows. The caller turns it into a diagnostic at the row it names. */
export class CapacityError extends Error {
  /** What ran out, as a person reads it: `image rules`, `services`. */
  readonly subject: string;
  readonly used: number;
  readonly ceiling: number;
  /**
   * The row with which the ceiling was passed, or the row that needs most, as `nameOfEntry` writes it; absent where no
   * single row is at fault.
   */
  readonly ruleId?: string;

  constructor(subject: string, used: number, ceiling: number, ruleId?: string) {
    const row = ruleId === undefined ? '' : ` at rule "${ruleId}"`;
    super(`the ruleset needs ${used} ${subject}${row}, the ceiling is ${ceiling}`);
    this.name = 'CapacityError';
    this.subject = subject;
    this.used = used;
    this.ceiling = ceiling;
    this.ruleId = ruleId;
  }
}
