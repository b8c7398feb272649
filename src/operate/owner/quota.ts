/** How much an owner's rows are, and whether that is more than he may have. */
import { type AddressMatch, ANY, type PortMatch } from '../../model/match';
import type { OwnerQuotas } from '../../model/owner-access';
import type { Rule, Section, SshRow } from '../../model/ruleset';
import { OwnerRefusal } from './refusal';

/** What rows take of the quotas that are about rows. */
export type RowUse = Pick<OwnerQuotas, 'rules' | 'entries'>;

/**
 * Each row counts the addresses it names times the ports, one at least: what the image may have to hold of it. Of the SSH
 * row each port counts but the first, which every server may have.
 */
export function useOf({ rules, ssh }: Pick<Section, 'rules'> & { readonly ssh?: Pick<SshRow, 'ports'> }): RowUse {
  const more = Math.max(0, (ssh?.ports.length ?? 0) - 1);
  return { rules: rules.length, entries: rules.reduce((sum, rule) => sum + entriesOf(rule), more) };
}

function entriesOf({ match }: Rule): number {
  const count = (list: AddressMatch | PortMatch): number => (list === ANY ? 1 : Math.max(1, list.length));
  return count(match.from) * count(match.to) * count(match.toPorts) * count(match.fromPorts);
}

/** Throws where a change adds to what is beyond a quota; one that takes away is let through even there. */
export function requireQuota(before: RowUse, after: RowUse, most: OwnerQuotas): void {
  for (const [key, name] of [
    ['rules', 'rules'],
    ['entries', 'entries (addresses times ports that your rows name)'],
  ] as const) {
    if (after[key] <= most[key] || after[key] <= before[key]) continue;
    throw new OwnerRefusal('owner/quota', `with this you had ${after[key]} ${name}, at most ${most[key]} are yours`, {
      hint: `nothing was changed; you have ${before[key]} now`,
    });
  }
}

/** Changes of one owner within the last minute. */
export class ChangeRate {
  readonly #tried: number[] = [];

  /** Takes one of the changes of this minute; throws where there is none left. `nowMs`: of a clock that only goes on. */
  take(most: number, nowMs: number): void {
    while (this.#tried.length > 0 && this.#tried[0] <= nowMs - MINUTE_MS) this.#tried.shift();
    if (this.#tried.length >= most) {
      const seconds = Math.ceil((this.#tried[0] + MINUTE_MS - nowMs) / 1000);
      throw new OwnerRefusal(
        'owner/rate',
        `you tried ${this.#tried.length} changes within a minute, the most there can be`,
        {
          hint: `nothing was changed; the next one can be in ${seconds} s`,
        },
      );
    }
    this.#tried.push(nowMs);
  }
}

const MINUTE_MS = 60_000;

/** Questions and changes of an owner that are looked at within a second. */
export const ASKED_A_SECOND = 20;

/** What one owner asked within the last second: so many answers that one owner's do not keep the others waiting. */
export class QuestionRate {
  readonly #asked: number[] = [];

  /** Takes one of this second; throws where there is none left. `nowMs`: of a clock that only goes on. */
  take(nowMs: number): void {
    while (this.#asked.length > 0 && this.#asked[0] <= nowMs - 1000) this.#asked.shift();
    if (this.#asked.length >= ASKED_A_SECOND)
      throw new OwnerRefusal('owner/rate', `you asked ${ASKED_A_SECOND} times within a second, the most there can be`, {
        hint: 'nothing was changed; ask again in a second',
      });
    this.#asked.push(nowMs);
  }
}
