/** The process of `scripts/bench-swap.js`: one rule changed in a warm ruleset, over and over. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { compile } from '../../../src/compile/compile';
import { CompileMemory } from '../../../src/compile/compile-memory';
import type { Image } from '../../../src/compile/image';
import type { CounterFigures } from '../../../src/kernel/counters';
import type { Prefix } from '../../../src/model/prefix';
import type { Ruleset } from '../../../src/model/ruleset';
import { applyImage } from '../../../src/load/apply';
import { resolveInterfaces } from '../../../src/load/attach';
import { closeFlows, generationCounters, openFlows } from '../../../src/load/generations';
import { prepareSpare } from '../../../src/load/spare';
import { SharedState } from '../../../src/load/state';
import { unload } from '../../../src/load/unload';
import { testContext } from '../../support/context';
import { rulesetOf } from '../sets/bench-set';
import { makeSet } from '../sets/catalogue';

/** One change, in milliseconds from the changed ruleset to the stored gate word. */
export interface Swap {
  readonly compileMs: number;
  readonly ms: number;
  /** Whether its programs had been loaded in advance. */
  readonly spare: boolean;
  /** The longest time for which the event loop did nothing else. */
  readonly blockedMs: number;
}

/** Changes before the clock counts: a process is warm after some. */
const WARM_UP = 5;
/** Turns of the event loop that are watched. */
const TURN_MS = 1;

/** Says `ready`, waits for a line, swaps, says the swaps, waits for a line, says the hits of each row. */
export async function main([netns, link, name, size, swaps]: readonly string[]): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  const { context, destroy } = await testContext(netns);
  const { kernel, pins } = context;
  const interfaces = await resolveInterfaces(kernel, [link], netns);
  const before = rulesetOf(makeSet(name, Number(size), 4), 'deny');
  const edits = new Edits(before);
  const hits = new Map<string, number>();
  const images = new Map<number, Image>();
  const fold = (generation: number, figures: ReadonlyMap<number, CounterFigures>): Promise<void> => {
    for (const { rank, section, id } of images.get(generation)?.ranks ?? []) {
      if (section !== 'outbound') hits.set(id, (hits.get(id) ?? 0) + Number(figures.get(rank)?.packets ?? 0));
    }
    images.delete(generation);
    return Promise.resolve();
  };
  let generation = 0;
  const memory = new CompileMemory();
  const swap = async (ruleset: Ruleset): Promise<Swap> => {
    const loop = watchLoop();
    const began = kernel.bootTimeNs();
    const image = compile(ruleset, memory);
    const compiled = kernel.bootTimeNs();
    const applied = await applyImage(kernel, pins, {
      ...{ image, interfaces, mode: 'native', netns, firstGeneration: () => 1, fold },
      record: (number) => Promise.resolve(void images.set(number, image)),
      fillState: () => Promise.resolve(),
    });
    ({ generation } = applied);
    const ms = (from: bigint, to: bigint): number => Number(to - from) / 1e6;
    return {
      compileMs: ms(began, compiled),
      ms: ms(began, applied.enforcedNs),
      spare: applied.fromSpare,
      blockedMs: loop.end(),
    };
  };
  const makeReady = async (): Promise<void> => {
    const state = SharedState.find(kernel, pins)!;
    const flows = openFlows(kernel, pins, generation);
    await prepareSpare(kernel, pins, state, images.get(generation)!, flows);
    closeFlows(flows);
    state.close();
  };
  try {
    for (let i = 0; i < WARM_UP; i++) await swap(edits.next());
    hits.clear();
    console.log('ready');
    await once(lines, 'line');
    const measured: Swap[] = [];
    for (let i = 0; i < Number(swaps); i++) {
      await makeReady();
      measured.push(await swap(edits.next()));
    }
    console.log(`swaps ${JSON.stringify(measured)}`);
    await once(lines, 'line');
    await fold(generation, generationCounters(kernel, pins, generation));
    console.log(`hits ${JSON.stringify([...hits])}`);
  } finally {
    await unload(context, () => Promise.resolve());
    destroy();
    lines.close();
  }
}

/**
 * Another ruleset each time, none of them seen before: a row decides otherwise, a row is added that no frame of the trace
 * matches, an added one moves, or goes. Hits by row stay the same.
 */
class Edits {
  #number = 0;

  constructor(private ruleset: Ruleset) {}

  next(): Ruleset {
    const number = this.#number++;
    const { inbound, servers } = this.ruleset;
    // A row that was added is moved, and goes, before another server is changed.
    const changed = servers && Math.floor((((number >> 2) * 0.618) % 1) * servers.length);
    const rules = [...(servers && changed !== undefined ? servers[changed].rules : inbound.rules)];
    // Far apart, so that no part of the ruleset is changed again and again.
    const place = (of: number): number => Math.floor(((of * 0.618) % 1) * rules.length);
    const added = rules.findIndex(({ id }) => id === ADDED_ID);
    if (number % 4 === 0) {
      const at = place(number);
      rules[at] = { ...rules[at], action: rules[at].action === 'allow' ? 'deny' : 'allow' };
    } else if (added < 0) {
      const unseen: Prefix = { family: 4, words: [(UNSEEN | number) >>> 0], length: 32 };
      const row = rules[place(number)];
      rules.splice(place(number + 1), 0, { ...row, id: ADDED_ID, match: { ...row.match, from: [unseen] } });
    } else {
      const [row] = rules.splice(added, 1);
      if (number % 4 === 2) rules.splice(place(number), 0, row);
    }
    this.ruleset =
      servers && changed !== undefined
        ? { ...this.ruleset, servers: servers.with(changed, { ...servers[changed], rules }) }
        : { ...this.ruleset, inbound: { ...inbound, rules } };
    return this.ruleset;
  }
}

const ADDED_ID = 'added';
/** 255.255.0.0: no source of a frame. */
const UNSEEN = 0xffff0000;

/** How long the event loop was held at most, in milliseconds, until `end`. */
function watchLoop(): { end: () => number } {
  let last = performance.now();
  let longest = 0;
  const look = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last - TURN_MS);
    last = now;
  };
  const timer = setInterval(look, TURN_MS);
  return {
    end: () => {
      clearInterval(timer);
      look();
      return longest;
    },
  };
}
