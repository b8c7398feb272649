/** Regions of the packets that travel the other way (`mirror` of `model/packet.ts`). */
import { mirroredIcmpType } from '../model/packet';
import type { Family } from '../model/prefix';
import { type Row, type SectionRegions, withRows } from './decisions';
import { type Cube, DIMENSION, type Region } from './cube';
import { contains, interval, type IntervalSet, intersectSets, subtractSets, unionSets } from './interval-set';
import { icmpOf } from '../model/protocol';

/** The packets that answer, or are answered by, those of the region. */
export function mirrorRegion(region: Region): Cube[] {
  return region.flatMap(mirrorCube);
}

/** A section whose rows see the packet that is answered; which row decides stays the same. */
export function mirrorRows(regions: SectionRegions): SectionRegions {
  const rows: Row[] = regions.rows.map((row) => ({ ...row, region: mirrorRegion(row.region) }));
  return withRows(regions, rows);
}

function mirrorCube({ family, sets }: Cube): Cube[] {
  const [source, destination] = [sets[DIMENSION.SOURCE], sets[DIMENSION.DESTINATION]];
  const [destinationLane, sourceLane] = [sets[DIMENSION.DESTINATION_LANE], sets[DIMENSION.SOURCE_LANE]];
  const protocols = sets[DIMENSION.PROTOCOL];
  const icmp = interval(icmpOf(family), icmpOf(family) + 1);
  const turned = (lanes: readonly IntervalSet[], of: IntervalSet): Cube[] =>
    of.length === 0 ? [] : [{ family, sets: [destination, source, ...lanes, of] }];
  return [
    ...turned([sourceLane, destinationLane], subtractSets(protocols, icmp)),
    ...turned([mirrorTypes(family, destinationLane), sourceLane], intersectSets(protocols, icmp)),
  ];
}

/** The types that answer these; the others stay. */
function mirrorTypes(family: Family, types: IntervalSet): IntervalSet {
  let result = types;
  for (let type = 0; type < 256; type++) {
    const other = mirroredIcmpType(family, type);
    if (other === type) continue;
    const one = interval(type, type + 1);
    result = contains(types, other) ? unionSets(result, one) : subtractSets(result, one);
  }
  return result;
}
