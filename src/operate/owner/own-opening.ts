/** ALLOW ALL of a server, by its owner: his tiers 6 to 9 alone, for an hour at most, and nothing that his provider has opened. */
import { SLC_LIMITS } from '../../abi/layout.gen';
import { parseDuration } from '../../parse/time';
import { allowAll, endAllowAll, TooManyOpenError } from '../allow-all';
import type { Author } from '../change-note';
import type { Context } from '../context';
import type { Opening } from '../opening-file';
import { currentOpenings, type LiveOpening, rememberedOpenings } from '../openings';
import { whenWords } from '../render-history';
import { reportLines } from '../render-openings';
import { UsageError } from '../usage-error';
import type { OwnerView } from './doctor';
import { type InTurn, withPatience } from './patience';
import { OwnerRefusal } from './refusal';

/** Longest time for which an owner opens his server. */
const MOST_SECONDS = 3600;
/** Servers that owners have open at once: of the places there are the others are the provider's. */
const MOST_OPEN = (SLC_LIMITS.OPEN_SECTIONS * 3) / 4;
const EXAMPLE = 'allow-all --for 10m';

/** What an owner says of it. */
export interface OwnOpening {
  readonly server: string;
  readonly author: Author;
  /** Left out: it is `off`. */
  readonly seconds?: number;
  readonly reason?: string;
}

/** Reads `--for 10m`, or `off`. */
export function readOpening(words: readonly string[], time: string | undefined): number | undefined {
  if (words.length > 1 || (words.length === 1 && words[0].toLowerCase() !== 'off'))
    throw new UsageError(`"${words.join(' ')}" has no place behind allow-all: it is about your server`, EXAMPLE);
  if (words.length === 1 && time !== undefined)
    throw new UsageError('off takes no --for: it ends now', 'allow-all off');
  if (words.length === 1) return undefined;
  if (time === undefined) throw new UsageError('for how long? ALLOW ALL always has an end', EXAMPLE);
  const reading = parseDuration(time);
  if (reading.kind === 'refused') throw new UsageError(reading.problem.message, reading.problem.hint);
  const seconds = reading.ms / 1000;
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= MOST_SECONDS) return seconds;
  throw new UsageError(`--for "${time}" is not from 1 s to ${MOST_SECONDS / 3600} h`, EXAMPLE);
}

/** Opens, prolongs or ends it. Throws an `OwnerRefusal` where that is not his to do, or there is no place. */
export async function openOwn(context: Context, wanted: OwnOpening, inTurn: InTurn): Promise<OwnerView> {
  const { server, seconds } = wanted;
  return withPatience(inTurn, async () => {
    const live = currentOpenings(context).filter(({ leftNs }) => leftNs > 0n);
    const now = live.find(({ section }) => section === server);
    if (now) requireOwn(now, server);
    return seconds === undefined ? end(context, wanted) : open(context, { ...wanted, seconds }, live);
  });
}

async function open(
  context: Context,
  { server, author, seconds, reason }: OwnOpening & { readonly seconds: number },
  live: readonly LiveOpening[],
): Promise<OwnerView> {
  const others = live.filter(({ section, author: { ownerOf } }) => ownerOf !== undefined && section !== server);
  if (others.length >= MOST_OPEN) throw noRoom();
  try {
    const by = { ...byOwner({ server, author }), seconds, ...(reason !== undefined && { reason }) };
    const { opening, wasOpen } = await allowAll(context, server, by);
    const line = `${server} ${wasOpen ? 'stays' : 'is'} under ALLOW ALL until ${whenWords(opening.until)} UTC: it ends by itself`;
    return { lines: [line], data: { changed: true, until: opening.until } };
  } catch (error) {
    throw error instanceof TooManyOpenError ? noRoom() : error;
  }
}

async function end(context: Context, { server, author }: OwnOpening): Promise<OwnerView> {
  const ended = await endAllowAll(context, server, byOwner({ server, author }));
  const own = ended.findLast(({ section }) => section === server);
  if (!own) return lastReport(context, server, author.group);
  const { packets, unlisted, rows } = own;
  return {
    lines: [`ALLOW ALL of ${server} is over`, ...reportLines(own)],
    data: { changed: true, report: { packets, unlisted, rows } },
  };
}

/** What the last one let in, which ended by itself. */
function lastReport(context: Context, server: string, group: string | undefined): OwnerView {
  const isOwn = (one: Opening): boolean => one.section === server && isBy(one, server) && one.author.group === group;
  const last = rememberedOpenings(context).findLast(isOwn);
  const line = `${server} is not under ALLOW ALL`;
  if (!last) return { lines: [line], data: { changed: false } };
  const { until, packets, unlisted, rows } = last;
  return {
    lines: [`${line}; when it last was, until ${whenWords(until)} UTC at most:`, ...reportLines(last)],
    data: { changed: false, report: { packets, unlisted, rows } },
  };
}

/** His provider may open it at the same moment. */
function byOwner({ server, author }: Pick<OwnOpening, 'server' | 'author'>): Parameters<typeof endAllowAll>[2] {
  return { author, patienceMs: 0, requireOwn: (opening) => requireOwn(opening, server) };
}

function requireOwn(opening: Opening, server: string): void {
  if (isBy(opening, server)) return;
  throw new OwnerRefusal('owner/provider', 'your provider has put your server under ALLOW ALL, and ends it', {
    hint: 'nothing was changed; status says until when',
  });
}

/** Whether he, or somebody else through his socket, has opened it. */
function isBy({ author }: Opening, server: string): boolean {
  return author.ownerOf === server;
}

function noRoom(): OwnerRefusal {
  return new OwnerRefusal('owner/busy', 'there is no place for another server under ALLOW ALL at this moment', {
    hint: 'nothing was changed; try again later, or ask your provider',
  });
}
