import type { Snapshot } from '../../src/observe/snapshot';

/** The rows of the inbound section; none where nothing is active. */
export function inboundRows({ sections }: Pick<Snapshot, 'sections'>): Snapshot['sections'][number]['rows'] {
  return sections.find(({ name }) => name === 'inbound')?.rows ?? [];
}
