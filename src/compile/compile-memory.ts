/** What compiling remembers from one ruleset to the next, so that only what a change touches is made anew. */
import { SLC_LIMITS } from '../abi/layout.gen';
import type { Server } from '../model/ruleset';
import type { CompiledSection } from './compiled-section';
import { PackMemory } from './pack';
import { type LeafBudgets, RowMemory } from './row-memory';
import { isSameServer, isSameTerritory } from './same-server';

/** Servers of more rows are remembered row by row; smaller ones are compiled in less time than that takes. */
const LARGE_ROWS = 500;
/** What small servers leave behind is of no use to the next: it goes when it is more than this. */
const SMALL_MOST = { rules: 1 << 12, numbers: 1 << 16 };
/** Servers that are remembered although the last ruleset had none of them: two rulesets may take turns. */
const SERVERS_MAX = 8_000;

/**
 * A cache line of short rules: of a server, whose packets find each line far away. What finds the server is asked for every
 * packet, and stays near: there nodes are cheaper than rules.
 */
const SERVER_LEAVES: LeafBudgets = { 4: 4, 6: 4 };
const OWNER_LEAVES: LeafBudgets = { 4: 1, 6: 1 };

/** What became of a server, and what its rows are known by, where they are many. */
interface KnownServer {
  readonly server: Server;
  readonly compiled: CompiledSection;
  readonly own?: RowMemory;
}

/** Compiling gives the same image with any memory as with none, the sooner the more of the ruleset it knows. */
export class CompileMemory extends RowMemory {
  private servers = new Map<string, KnownServer>();
  private readonly before = new Map<string, KnownServer>();
  private owning: { readonly servers: readonly Server[]; readonly compiled: CompiledSection } | null = null;
  private readonly small = new RowMemory(SMALL_MOST, SERVER_LEAVES);
  /** @internal The image that was put together last. */
  readonly packed = new PackMemory();

  override forget(): void {
    super.forget();
    this.small.forget();
    this.servers.clear();
    this.before.clear();
    this.owning = null;
    this.packed.forget();
  }

  /**
   * Forgets what may be half written where a ceiling was passed. Servers that were done stay known: one whose rows are too
   * many is not to cost all others their time.
   */
  forgetRows(): void {
    super.forget();
    this.small.forget();
  }

  override tidy(): void {
    super.tidy();
    if (this.servers.size > SERVERS_MAX) this.servers.clear();
    if (this.before.size > SLC_LIMITS.CONFIRM_WORDS) this.before.clear();
  }

  /** @internal What became of the server, or what `make` makes of it with the memory it is handed. */
  server(server: Server, make: (own: RowMemory) => CompiledSection): CompiledSection {
    const known = this.servers.get(server.name);
    if (known && isSameServer(known.server, server)) return known.compiled;
    const isLarge = server.rules.length > LARGE_ROWS;
    const own = isLarge ? (known?.own ?? new RowMemory(this.most)) : this.small;
    own.tidy();
    let compiled: CompiledSection;
    try {
      compiled = make(own);
    } catch (error) {
      own.forget();
      throw error;
    }
    this.servers.set(server.name, { server, compiled, ...(isLarge && { own }) });
    return compiled;
  }

  /** @internal The same for what judges again where a server is not confirmed. */
  returning(server: Server, make: (own: RowMemory) => CompiledSection): CompiledSection {
    const known = this.before.get(server.name);
    if (known && isSameServer(known.server, server)) return known.compiled;
    const compiled = make(server.rules.length > LARGE_ROWS ? new RowMemory(this.most) : this.small);
    this.before.set(server.name, { server, compiled });
    return compiled;
  }

  /** @internal The same for the entry by which owners are found. */
  owners(servers: readonly Server[], make: (own: RowMemory) => CompiledSection): CompiledSection {
    const { owning } = this;
    if (
      owning?.servers.length === servers.length &&
      servers.every((server, i) => isSameTerritory(server, owning.servers[i]))
    )
      return owning.compiled;
    const compiled = make(new RowMemory(this.most, OWNER_LEAVES));
    this.owning = { servers, compiled };
    return compiled;
  }
}
