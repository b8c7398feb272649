/** An interface that is filtered, for showing. */
export interface Attachment {
  readonly name: string;
  readonly ifindex: number;
  readonly mode: 'native' | 'generic';
  /** How packets that go out meet their gate: by a link, by a filter; null where they do not. */
  readonly egress: 'tcx' | 'clsact' | null;
  /** Set where that is a filter. */
  readonly filter?: {
    /** Whether sluice made the clsact discipline that it hangs in; another's stays at the end. */
    readonly ours: boolean;
    /** Filters of others beside it, in words, in the order in which packets meet them. */
    readonly others: readonly string[];
  };
}
