/** Cubes in the order of their rows, with their hulls beside them, so that most comparisons never read a set. */
import { type Cube, cubesAreDisjoint, DIMENSION, DIMENSIONS, type Region } from './cube';
import { contains } from './interval-set';
import type { Family } from '../model/prefix';

/** A cube and the row (position in the list the table was made of) that it belongs to. */
export interface OwnedCube {
  readonly owner: number;
  readonly cube: Cube;
}

/** One packet of a space: the value of each dimension. */
export interface Point {
  readonly family: Family;
  readonly values: readonly number[];
}

/** Dimensions by which narrow cubes are found again, the first that is narrow. */
const SHELVED = [DIMENSION.SOURCE, DIMENSION.DESTINATION, DIMENSION.DESTINATION_LANE] as const;
/** Values that share a shelf, and the most shelves a narrow cube takes. */
const SHELF = 64;
const SHELVES_MAX = 4;

/** A number for the shelf of a value; those of one dimension follow one another. */
function shelfOf(family: Family, dimension: number, value: number): number {
  return (dimension * 8 + family) * 2 ** 32 + Math.floor(value / SHELF);
}

export class CubeTable {
  private readonly list: OwnedCube[] = [];
  /** Lowest value and end of each dimension, `2 * DIMENSIONS` numbers a cube. */
  private readonly hulls: number[] = [];
  private readonly families: Family[] = [];
  /** Indices of cubes that are narrow in some dimension, by the part of that dimension they lie in. */
  private readonly shelves = new Map<number, number[]>();
  /** Indices of all other cubes. */
  private readonly wide: number[] = [];

  /** A table of these rows; the owner of a cube is the position of its region. */
  static of(rows: readonly Region[]): CubeTable {
    const table = new CubeTable();
    rows.forEach((region, owner) => table.add(owner, region));
    return table;
  }

  /** Appends the cubes of a row. */
  add(owner: number, region: Region): void {
    for (const cube of region) {
      this.shelve(cube, this.list.length);
      this.list.push({ owner, cube });
      this.families.push(cube.family);
      for (const set of cube.sets) this.hulls.push(set[0], set[set.length - 1]);
    }
  }

  private shelve({ family, sets }: Cube, index: number): void {
    for (const d of SHELVED) {
      const first = sets[d][0];
      const last = sets[d][sets[d].length - 1] - 1;
      if (last - first >= SHELVES_MAX * SHELF) continue;
      for (let key = shelfOf(family, d, first); key <= shelfOf(family, d, last); key++) {
        const shelf = this.shelves.get(key);
        if (shelf) shelf.push(index);
        else this.shelves.set(key, [index]);
      }
      return;
    }
    this.wide.push(index);
  }

  get entries(): readonly OwnedCube[] {
    return this.list;
  }

  /** Whether some cube holds the point. */
  holds(point: Point): boolean {
    const { family, values } = point;
    if (this.wide.some((i) => this.isHeldBy(point, i))) return true;
    return SHELVED.some((d) => this.shelves.get(shelfOf(family, d, values[d]))?.some((i) => this.isHeldBy(point, i)));
  }

  private isHeldBy({ family, values }: Point, i: number): boolean {
    if (this.families[i] !== family) return false;
    let hull = i * 2 * DIMENSIONS;
    for (let d = 0; d < DIMENSIONS; d++, hull += 2) {
      if (values[d] < this.hulls[hull] || values[d] >= this.hulls[hull + 1]) return false;
    }
    return this.list[i].cube.sets.every((set, d) => set.length === 2 || contains(set, values[d]));
  }

  /** Index of the first cube from `start` on that shares a packet with `cube`, or -1. */
  firstMeeting(cube: Cube, start: number): number {
    const { hulls, families } = this;
    const { sets } = cube;
    search: for (let i = start; i < families.length; i++) {
      if (families[i] !== cube.family) continue;
      let hull = i * 2 * DIMENSIONS;
      for (let d = 0; d < DIMENSIONS; d++, hull += 2) {
        const set = sets[d];
        if (set[0] >= hulls[hull + 1] || set[set.length - 1] <= hulls[hull]) continue search;
      }
      if (!cubesAreDisjoint(cube, this.list[i].cube)) return i;
    }
    return -1;
  }

  /** All cubes that share a packet with the region, in order. */
  meeting(region: Region): OwnedCube[] {
    const found = new Set<number>();
    for (const cube of region) {
      for (let i = this.firstMeeting(cube, 0); i >= 0; i = this.firstMeeting(cube, i + 1)) found.add(i);
    }
    return [...found].sort((a, b) => a - b).map((i) => this.list[i]);
  }
}
