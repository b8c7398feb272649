/** `lint/owner-quotas`: owners who may write more, all together, than one ruleset takes. */
import { MAX_IMAGE_RULES } from '../compile/capacity';
import type { Diagnostic } from '../diagnostics/diagnostic';
import { countRows, rowsOf } from '../model/moved';
import type { OwnerQuotas } from '../model/owner-access';
import { type Ruleset, type Server, writtenSections } from '../model/ruleset';
import { MAX_RULES } from '../parse/section';

/** What quotas are about, and how much of it a ruleset takes. */
const CEILINGS = [
  ['rules', 'rules', MAX_RULES],
  ['entries', 'entries (addresses times ports)', MAX_IMAGE_RULES],
] as const;

/** A note at the first server that has an owner: who comes first could use up what others may have by their quotas. */
export function lintOwnerQuotas(ruleset: Ruleset): Diagnostic[] {
  const owned = (ruleset.servers ?? []).filter(isOwned);
  if (owned.length === 0) return [];
  const { guard, inbound, outbound, servers = [] } = ruleset;
  const written = owned.map((server) => rowsOf(server).length);
  const others =
    writtenSections({ guard, inbound, outbound }).reduce((sum, { rules }) => sum + rules.length, 0) +
    countRows(servers) -
    written.reduce((sum, rows) => sum + rows, 0);
  const [first] = owned;
  return CEILINGS.flatMap(([quota, words, ceiling]): Diagnostic[] => {
    const granted = owned.reduce((sum, { owner: { quotas } }, i) => sum + mostOf(quotas, quota, written[i]), 0);
    // Of rows that the provider writes their number is known, and no more is looked at.
    const room = ceiling - (quota === 'rules' ? others : 0);
    if (granted <= room) return [];
    return [
      {
        code: 'lint/owner-quotas',
        severity: 'note',
        message: `the owners of ${owned.length} servers may have ${granted} ${words} in all, and there is room for ${room}: once that is used, nobody can add any`,
        source: first.source,
        notes: [],
        hint: `what each can have, whatever the others do: owner: { ${quota}: ${Math.floor(room / owned.length)} }`,
      },
    ];
  });
}

type Owned = Server & { readonly owner: NonNullable<Server['owner']> };

function isOwned(server: Server): server is Owned {
  return server.owner !== undefined;
}

/** What the provider has written himself may be more. */
function mostOf(quotas: OwnerQuotas, quota: 'rules' | 'entries', written: number): number {
  return quota === 'rules' ? Math.max(quotas.rules, written) : quotas.entries;
}
