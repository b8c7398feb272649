/** All that the second thread does, for a daemon and for programs; arguments and results are plain data. */
import type { Spare } from '../../load/spare';
import type { PacketEvent } from '../../observe/events';
import { renderMetrics } from '../../observe/metrics';
import type { Snapshot } from '../../observe/snapshot';
import { type ApplyOptions, applyFile, type FirewallApplied } from '../apply-file';
import { type KeptUp, keepUpWithInterfaces } from '../attachments';
import { CheckMemory } from '../check-memory';
import type { Context } from '../context';
import { saveCounts } from '../counts';
import { type EndedRules, endRules, NextEnd } from '../end-rules';
import { readJudging, takeSnapshot } from '../enforcement';
import { type GenerationNames, packNames } from '../generation-names';
import { type GenerationRecord, readGenerationRecord } from '../generation-record';
import { takeBackInterrupted } from '../interrupted';
import { withWriterLock } from '../lock';
import { type DeskAnswer, OwnerDesk, type OwnerQuestion } from '../owner/answer';
import { ownedIn } from '../owner/change';
import type { OwnedPlace } from '../owner/owned-server';
import { Turns } from '../owner/turns';
import { settle } from '../pending';
import { makeReady } from '../ready';

export class Work {
  /** One for all: whoever changed something last, the next change goes on from it. */
  readonly #memory = new CheckMemory();
  readonly #desk: OwnerDesk;
  readonly #turns = new Turns();
  readonly #next: NextEnd;
  #snapshot: Snapshot | null = null;
  #owned = '';
  /** What the servers that were told last stand in, where it is for nobody's word or time to change. */
  #ownedIn: GenerationRecord | null = null;

  constructor(private readonly context: Context) {
    this.#desk = new OwnerDesk(context, this.#memory);
    this.#next = new NextEnd(context);
  }

  async applyFile(file: string, options: ApplyOptions): Promise<FirewallApplied> {
    return applyFile(this.context, file, options, this.#memory);
  }

  async endRules(nowMs: number): Promise<EndedRules | null> {
    return endRules(this.context, nowMs, this.#memory);
  }

  /** Milliseconds since 1970 at which the next rule ends; null where none does. */
  async nextEnd(): Promise<number | null> {
    return this.#next.read();
  }

  async settle(): Promise<string | null> {
    return settle(this.context, { leaveUnwritable: true });
  }

  async saveCounts(): Promise<void> {
    return saveCounts(this.context);
  }

  async makeReady(patienceMs?: number): Promise<Spare | null> {
    return makeReady(this.context, patienceMs);
  }

  /** For whoever holds the lock. */
  async keepUpWithInterfaces(): Promise<KeptUp> {
    return keepUpWithInterfaces(this.context);
  }

  /** What the record of a generation says of it; null where it is lost. */
  generationNames(generation: number, instance: string): GenerationNames | null {
    const record = readGenerationRecord(this.context.folder, generation, instance);
    return record && packNames(record);
  }

  /** Interfaces that the record of a generation names; none where it is lost. */
  interfacesOf(generation: number, instance: string): readonly string[] {
    return readGenerationRecord(this.context.folder, generation, instance)?.interfaces ?? [];
  }

  /** Takes a snapshot, of which `metrics` tells. */
  async takeSnapshot(): Promise<void> {
    this.#snapshot = await takeSnapshot(this.context);
  }

  /** Metrics of the newest snapshot as UTF-8, of one section or of all; null where it has no such section. */
  async metrics(section: string | null, options: { ruleSeries: number; version: string }): Promise<Uint8Array | null> {
    const snapshot = (this.#snapshot ??= await takeSnapshot(this.context));
    const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
    if (section === null) return encode(renderMetrics(snapshot, options));
    if (!snapshot.sections.some(({ name }) => name === section)) return null;
    return encode(renderMetrics(snapshot, { ...options, section }));
  }

  /** Servers that have an owner; null where they are those that were told last. */
  ownedServers(): readonly OwnedPlace[] | null {
    const enforcement = readJudging(this.context);
    const record = enforcement?.record ?? null;
    // Of thousands it takes a moment, and this is asked twice a second.
    if (record !== null && record === this.#ownedIn) return null;
    this.#ownedIn = enforcement?.trials.length === 0 ? record : null;
    const servers = ownedIn(enforcement).map(({ name, owner, addresses, ports }): OwnedPlace => ({
      name,
      owner,
      addresses,
      ...(ports && { ports }),
    }));
    this.#desk.keep(new Set(servers.map(({ name }) => name)));
    const seen = JSON.stringify(servers);
    if (seen === this.#owned) return null;
    this.#owned = seen;
    return servers;
  }

  async answerOwner(question: Omit<OwnerQuestion, 'inTurn'>): Promise<DeskAnswer> {
    return this.#desk.answer({ ...question, inTurn: (work) => this.#turns.take(question.server, work) });
  }

  /** An event of a server, for whoever waits there. */
  tellWaiting(server: string, group: string, event: PacketEvent): void {
    this.#desk.tellWaiting(server, group, event);
  }

  /** Owners who wait are answered. */
  endWaiting(): void {
    this.#desk.endWaiting();
  }

  /** What an owner's change that was cut short left in the file is taken back: which file. */
  async takeBackInterrupted(): Promise<string | null> {
    return withWriterLock(this.context, () => takeBackInterrupted(this.context));
  }
}
