/** Who can reach something, for people. */
import type { Reach } from '../analyse/reach';
import type { Sources } from '../analyse/space';
import { formatPrefix } from '../model/prefix';

/** Who reaches something, in words. */
export function reachText(reach: Reach | null): string {
  if (!reach) return 'not proven: too many rules overlap';
  const { sources, partly, limited } = reach;
  const remarks = [
    ...(isNobody(limited) ? [] : [sameSources(limited, sources) ? 'limited' : `limited: ${sourcesText(limited)}`]),
    ...(isNobody(partly) ? [] : ['some only from some source ports or to some addresses']),
  ];
  return sourcesText(sources) + (remarks.length > 0 ? ` (${remarks.join('; ')})` : '');
}

/** Prefixes that are named one by one. */
const MAX_NAMED = 6;

function sourcesText({ everyoneBut, prefixes }: Sources): string {
  if (prefixes.length === 0) return everyoneBut ? 'everyone' : 'nobody';
  const named = prefixes.slice(0, MAX_NAMED).map(formatPrefix).join(', ');
  const more = prefixes.length > MAX_NAMED ? ` and ${prefixes.length - MAX_NAMED} more` : '';
  return everyoneBut ? `everyone but ${named}${more}` : `${named}${more}`;
}

function isNobody({ everyoneBut, prefixes }: Sources): boolean {
  return !everyoneBut && prefixes.length === 0;
}

function sameSources(one: Sources, other: Sources): boolean {
  return sourcesText(one) === sourcesText(other) && one.prefixes.length === other.prefixes.length;
}
