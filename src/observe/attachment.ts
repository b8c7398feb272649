/** An interface that is filtered, for showing. */
export interface Attachment {
  readonly name: string;
  readonly ifindex: number;
  readonly mode: 'native' | 'generic';
  /** Whether packets that go out meet their gate too. */
  readonly egress: boolean;
}
