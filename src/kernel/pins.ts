/**
 * Where things are pinned: `<root>/<netns cookie>/{state,gen/<n>,spare,links}`. What enforces is read from here and from
 * the kernel, never from files. Removing the whole directory always ends enforcement: no process keeps a link open.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SluiceError } from './errors';

/** Hooks of an interface. */
export type Hook = 'xdp' | 'egress';

/**
 * What is pinned for an interface: the links of its hooks, or, where a filter stands for the egress link (which cannot
 * be pinned), marks of that: `clsact` while the filter is there, `qdisc` where the discipline it hangs in is ours.
 */
export type LinkPin = Hook | 'clsact' | 'qdisc';

/** Names under `state/`: what all generations, hooks and interfaces share. */
export const STATE_PINS = {
  state: 'slc_state',
  confirm: 'slc_confirm',
  programs: 'slc_programs',
  egress: 'slc_egress',
  gateCounters: 'slc_gate_counters',
  flowStats: 'slc_flow_stats',
  events: 'slc_events',
  eventStats: 'slc_event_stats',
  eventSources: 'slc_event_sources',
  open: 'slc_open',
  openIndex: 'slc_open_index',
  banHosts: 'slc_ban_hosts',
  banNets: 'slc_ban_nets',
  banFilter: 'slc_ban_filter',
  fragments: 'slc_fragments',
  fragmentTags: 'slc_fragment_tags',
  fragmentStats: 'slc_fragment_stats',
  windows: 'slc_windows',
  attempts: 'slc_attempts',
  windowShares: 'slc_window_shares',
  limitStats: 'slc_limit_stats',
  echoBudget: 'slc_echo_budget',
  rejectBudget: 'slc_reject_budget',
  rejectStats: 'slc_reject_stats',
  told: 'slc_told',
} as const;

/** Names of the flow table under `gen/<n>/`: generations of one size share it. */
export const FLOW_PINS = { flows: 'flows', flowTags: 'flow_tags', flowShares: 'flow_shares' } as const;

/** Default root; `SLUICE_BPFFS` names another. */
export function pinRoot(): string {
  return process.env.SLUICE_BPFFS || '/sys/fs/bpf/sluice';
}

/** The pins of one network namespace. */
export class PinLayout {
  readonly directory: string;

  /** `beside`: the state that is made while another one is pinned at its place. */
  constructor(
    cookie: bigint,
    root: string = pinRoot(),
    private readonly stateName: 'state' | 'beside' = 'state',
  ) {
    this.directory = join(root, cookie.toString());
  }

  /** The same pins, but the state is the one that is made beside. */
  beside(): PinLayout {
    const root = dirname(this.directory);
    return new PinLayout(BigInt(basename(this.directory)), root, 'beside');
  }

  /** Folder of the state. */
  get stateDirectory(): string {
    return join(this.directory, this.stateName);
  }

  /** Folder of a state that another one takes the place of: links may still lead to its gates. */
  get replaced(): string {
    return join(this.directory, 'replaced');
  }

  /** Whether one state was taking another's place when that was cut short. */
  isHalfReplaced(): boolean {
    return existsSync(this.replaced);
  }

  state(name: string): string {
    return join(this.stateDirectory, name);
  }

  /** Program behind every link of the hook, or behind every filter. */
  gate(hook: Hook | 'clsact'): string {
    return this.state(`slc_gate_${hook}`);
  }

  /** Array by whose pin filters know that they filter: nobody keeps it open. */
  get pinned(): string {
    return this.state('slc_pinned');
  }

  generation(number: number): string {
    return join(this.directory, 'gen', String(number));
  }

  /** Generations that were loaded in advance, each in a directory that `load` names. */
  get spares(): string {
    return join(this.directory, 'spare');
  }

  link(ifindex: number, hook: LinkPin): string {
    return join(this.directory, 'links', `${ifindex}-${hook}`);
  }

  /** Numbers of the generations that have pins, ascending. */
  generations(): number[] {
    return list(join(this.directory, 'gen'))
      .map(Number)
      .filter((number) => Number.isSafeInteger(number) && number > 0)
      .sort((a, b) => a - b);
  }

  /** Links that are pinned, and marks, by interface. */
  links(): { ifindex: number; hook: LinkPin; path: string }[] {
    const links = list(join(this.directory, 'links')).flatMap((name) => {
      const match = /^(\d+)-(xdp|egress|clsact|qdisc)$/.exec(name);
      return match
        ? [{ ifindex: Number(match[1]), hook: match[2] as LinkPin, path: join(this.directory, 'links', name) }]
        : [];
    });
    return links.sort((a, b) => a.ifindex - b.ifindex);
  }

  /**
   * Makes the directory, empty and closed to others, and refuses one that somebody else prepared (bpffs may be
   * world-writable).
   */
  claim(): void {
    // Looked at before anything is made in it, and once more, since somebody may have been faster.
    this.assertOurs();
    this.#make('.');
    this.assertOurs();
  }

  /** Claims the directory and makes those in it. */
  create(): void {
    this.claim();
    for (const name of ['state', 'gen', 'links']) this.#make(name);
  }

  #make(name: string): void {
    try {
      mkdirSync(join(this.directory, name), { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new SluiceError('kernel/pins', `cannot make "${this.directory}": ${errnoOf(cause)}`, { cause });
    }
  }

  exists(): boolean {
    return lstatSync(this.directory, { throwIfNoEntry: false }) !== undefined;
  }

  /**
   * Throws when the directory, or the one it stands in, exists and is no directory of this user's or is open to others:
   * who owns the outer one can put another in the inner one's place, or a symbolic link.
   */
  assertOurs(): void {
    for (const path of [dirname(this.directory), this.directory]) {
      const status = lstatSync(path, { throwIfNoEntry: false });
      if (!status) continue;
      if (status.isDirectory() && status.uid === process.geteuid?.() && (status.mode & 0o077) === 0) continue;
      const other = status.isDirectory() ? null : 'not a directory';
      const kind = status.isSymbolicLink() ? 'a symbolic link' : (other ?? `mode ${(status.mode & 0o777).toString(8)}`);
      throw new SluiceError('kernel/pins', `"${path}" does not belong to sluice: owner ${status.uid}, ${kind}`, {
        hint: `nothing was changed; look at who made it, then: ${status.isDirectory() ? 'rm -r' : 'rm'} ${path}`,
      });
    }
  }

  removeGeneration(number: number): void {
    rmSync(this.generation(number), { recursive: true, force: true });
  }

  removeLink(ifindex: number, hook: LinkPin): void {
    rmSync(this.link(ifindex, hook), { force: true });
  }

  /** Removes every pin of the namespace: links first, so that nothing is filtered by half a state. */
  clear(): void {
    for (const name of ['links', 'gen', 'state', ...list(this.directory)])
      rmSync(join(this.directory, name), { recursive: true, force: true });
  }

  /** Removes every pin, and the directory. */
  removeAll(): void {
    this.clear();
    this.removeEmpty();
  }

  /** Removes the directory, and the one it stands in, where nothing is in them. */
  removeEmpty(): void {
    try {
      for (const path of [this.directory, dirname(this.directory)]) rmdirSync(path);
    } catch {
      // pins are in it, or another namespace has its own beside it
    }
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function errnoOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
