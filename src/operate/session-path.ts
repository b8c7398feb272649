/** Whether a connection's packets can meet the filter: which interface they take, as far as addresses and routes tell. */
import type { Interface } from '../kernel/interfaces';
import type { FlowKey } from '../model/packet';
import { prefixContains } from '../model/prefix';

/**
 * Whether an inbound connection, or its answers, may pass one of the `filtered` interfaces (by index). No only where it
 * ends at an address of other interfaces alone, and its client is a neighbour of those alone or is no neighbour and no
 * gateway lies behind a filtered one: in doubt it is yes.
 */
export function mayPass(key: FlowKey, interfaces: readonly Interface[], filtered: ReadonlySet<number>): boolean {
  const isFiltered = ({ index }: Interface): boolean => filtered.has(index);
  const holders = interfaces.filter(({ addresses }) =>
    addresses.some(({ family, words }) => family === key.family && words.join() === key.destination.join()),
  );
  if (holders.length === 0 || holders.some(isFiltered)) return true;
  const neighbours = interfaces.filter(({ addresses }) =>
    addresses.some((own) => own.family === key.family && prefixContains(own, key.source)),
  );
  if (neighbours.length > 0) return neighbours.some(isFiltered);
  return interfaces.some((device) => isFiltered(device) && device.gateway);
}
