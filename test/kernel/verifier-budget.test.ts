/**
 * What the verifier walks to accept the programs, against a committed budget: a change that makes it much more shows
 * here before it shows as a refusal on somebody's kernel. Figures of different kernels cannot be compared, so on
 * another series than the budget's only the hard limit holds.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { createGenerationMaps, stateMapEntries } from '../../src/kernel/datapath-maps';
import { openDatapath } from '../../src/kernel/datapath-object';
import type { DatapathSwitches } from '../../src/kernel/datapath-switches';
import { loadProgram } from '../../src/kernel/load-program';
import { kernel } from '../../src/kernel/native';
import { DEFAULT_ECHO_RATES } from '../../src/model/echo';
import { DEFAULT_ETHERTYPES } from '../../src/model/ruleset';
import { compareReleases, type Need, testWhere } from '../support/needs';

interface Budget {
  readonly kernel: string;
  /** Instructions processed, by case. */
  readonly instructions: Readonly<Record<string, number>>;
}

const FILE = join(__dirname, 'verifier-budget.json');
const UPDATE = process.env.SLUICE_UPDATE_BUDGET === '1';
/** The verifier gives up at a million. Older ones prune less: measured twice as much on Linux 6.1. */
const HARD_LIMIT = 250_000;
const HARD_LIMIT_OLDER = 500_000;
const GROWTH = 1.1;

const SMALL = 4096;
const LARGE = 16 * 1024 * 1024;
const DEFAULT: DatapathSwitches = {
  imageSlots: SMALL / 8,
  counterSlots: 512,
  icmpEssentials: true,
  echo: DEFAULT_ECHO_RATES,
  trackFragments: true,
  ethertypes: DEFAULT_ETHERTYPES,
  logging: 'low',
  dryRun: false,
  sections: [true, false, false, false, false],
  servers: false,
  trials: false,
  rejects: false,
  rejectsOut: false,
  limits: false,
};
/** Every entry of the section table is used. */
const ALL_SECTIONS = [true, true, true, true, true];
const EVERYTHING = { sections: ALL_SECTIONS, servers: true, rejects: true, rejectsOut: true, limits: true };

const INGRESS: Record<string, Partial<DatapathSwitches>> = {
  'slc_ingress, 4 KB image': {},
  'slc_ingress, 16 MB image': { imageSlots: LARGE / 8, counterSlots: 131_072 },
  'slc_ingress, dry, 4 KB image': { dryRun: true },
  'slc_ingress, dry, 16 MB image': { dryRun: true, imageSlots: LARGE / 8 },
  'slc_ingress, icmp: rules, 4 KB image': { icmpEssentials: false },
  'slc_ingress, icmp: rules, 16 MB image': { icmpEssentials: false, imageSlots: LARGE / 8 },
  'slc_ingress, keep-reachable and guard, 4 KB image': { sections: ALL_SECTIONS },
  'slc_ingress, keep-reachable and guard, dry, 16 MB image': {
    sections: ALL_SECTIONS,
    dryRun: true,
    imageSlots: LARGE / 8,
  },
  'slc_ingress, logging: off, 4 KB image': { logging: 'off' },
  'slc_ingress, logging: high, 4 KB image': { logging: 'high' },
  'slc_ingress, fragments: drop, 4 KB image': { trackFragments: false },
  'slc_ingress, rejects, 4 KB image': { rejects: true },
  'slc_ingress, limits and rejects, 4 KB image': { rejects: true, limits: true },
  'slc_ingress, limits and rejects, 16 MB image': { rejects: true, limits: true, imageSlots: LARGE / 8 },
  'slc_ingress, limits and rejects, dry, 4 KB image': { rejects: true, limits: true, dryRun: true },
  'slc_ingress, rejects of what goes out, 4 KB image': { rejectsOut: true },
  'slc_ingress, servers, 4 KB image': { servers: true },
  'slc_ingress, servers and all else, 16 MB image': { ...EVERYTHING, imageSlots: LARGE / 8, counterSlots: 131_072 },
  'slc_ingress, servers and all else, dry, 4 KB image': { ...EVERYTHING, dryRun: true },
  'slc_ingress, 16 ethertypes, 4 KB image': { ethertypes: Array.from({ length: 16 }, (_, i) => 0x8900 + i) },
};

const EGRESS: Record<string, Partial<DatapathSwitches>> = {
  'slc_egress_main, 4 KB image': {},
  'slc_egress_main, 16 MB image': { imageSlots: LARGE / 8, counterSlots: 131_072 },
  'slc_egress_main, logging: high, 4 KB image': { logging: 'high' },
  'slc_egress_main, dry, 4 KB image': { dryRun: true },
  'slc_egress_main, all sections, 4 KB image': { sections: ALL_SECTIONS },
  'slc_egress_main, all sections, rejects, 16 MB image': {
    sections: ALL_SECTIONS,
    rejectsOut: true,
    imageSlots: LARGE / 8,
  },
  'slc_egress_main, servers and all sections, 16 MB image': {
    sections: ALL_SECTIONS,
    servers: true,
    imageSlots: LARGE / 8,
  },
  'slc_egress_main, all sections, dry, 16 MB image': { sections: ALL_SECTIONS, dryRun: true, imageSlots: LARGE / 8 },
};

async function mainInstructions(name: 'slc_ingress' | 'slc_egress_main', switches: DatapathSwitches): Promise<number> {
  const maps = createGenerationMaps(kernel(), switches);
  try {
    const { program, instructions } = await loadProgram(kernel(), name, switches, maps);
    program.close();
    return instructions;
  } finally {
    maps.image.close();
    maps.counters.close();
  }
}

const GATES = ['slc_gate_xdp', 'slc_gate_egress', 'slc_gate_clsact'] as const;

async function gateInstructions(name: (typeof GATES)[number]): Promise<number> {
  const object = openDatapath(kernel(), name, {
    create: { ...stateMapEntries({ fragments: 1, windows: 1 }, 1), slc_pinned: 1 },
  });
  try {
    await object.load();
    return object.verifierStats()[name].instructions;
  } finally {
    object.close();
  }
}

const measured: Record<string, number> = {};

afterAll(() => {
  if (!UPDATE) return;
  const budget: Budget = { kernel: release(), instructions: measured };
  writeFileSync(FILE, `${JSON.stringify(budget, null, 2)}\n`);
});

const cases: [string, () => Promise<number>][] = [
  ...GATES.map((name): [string, () => Promise<number>] => [name, () => gateInstructions(name)]),
  ...Object.entries(INGRESS).map(([name, switches]): [string, () => Promise<number>] => [
    name,
    () => mainInstructions('slc_ingress', { ...DEFAULT, ...switches }),
  ]),
  ...Object.entries(EGRESS).map(([name, switches]): [string, () => Promise<number>] => [
    name,
    () => mainInstructions('slc_egress_main', { ...DEFAULT, ...switches }),
  ]),
];

test.each(cases)('%s', async (name, measure) => {
  const instructions = await measure();
  measured[name] = instructions;
  expect(instructions).toBeGreaterThan(0);
  expect(instructions).toBeLessThan(compareReleases(release(), '6.18') < 0 ? HARD_LIMIT_OLDER : HARD_LIMIT);
});

// Each kernel's verifier counts in its own way: growth shows only on the series that the budget was taken on.
const series = UPDATE ? release() : readBudget().kernel;
const [, major, minor] = /^(\d+)\.(\d+)/.exec(series)!;
const SAME_SERIES: Need = {
  what: 'the kernel of the budget',
  ...{ since: `${major}.${minor}`, before: `${major}.${Number(minor) + 1}` },
  isMet: () => compareReleases(release(), series) === 0,
};
testWhere(SAME_SERIES, 'nothing has grown by more than 10 %', () => {
  if (UPDATE) return;
  const { instructions: budget } = readBudget();
  expect(Object.keys(measured).sort()).toEqual(Object.keys(budget).sort());
  const grown = Object.entries(measured).filter(([name, now]) => now > Math.floor(budget[name] * GROWTH));
  if (grown.length === 0) return;
  const list = grown.map(([name, now]) => `${name}: ${now} instructions processed, the budget is ${budget[name]}`);
  throw new Error(
    `${list.join('\n')}\nwhere that is meant: SLUICE_UPDATE_BUDGET=1 npx jest --selectProjects kernel ` +
      '--testPathPatterns verifier-budget, and say in the commit what it buys',
  );
});

test('the budget names no case that is not measured', () => {
  if (UPDATE) return;
  expect(Object.keys(readBudget().instructions).sort()).toEqual(cases.map(([name]) => name).sort());
});

function readBudget(): Budget {
  if (!existsSync(FILE)) throw new Error('there is no budget yet: SLUICE_UPDATE_BUDGET=1 writes it');
  return JSON.parse(readFileSync(FILE, 'utf8')) as Budget;
}
