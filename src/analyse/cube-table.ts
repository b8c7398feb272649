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
/** A cube that takes more shelves of a dimension is compared with all that are narrow in it. */
const SHELVES_ASKED = 64;

/** A small number for the shelf of a value, below 2^30; those of one dimension follow one another. */
function shelfOf(family: Family, dimension: number, value: number): number {
  return (dimension * 2 + (family === 6 ? 1 : 0)) * 2 ** 26 + Math.floor(value / SHELF);
}

export class CubeTable {
  private readonly list: OwnedCube[] = [];
  /** Lowest value and end of each dimension, `2 * DIMENSIONS` numbers a cube. */
  private hulls = new Float64Array(256 * DIMENSIONS);
  private readonly families: Family[] = [];
  /** Whether the cube is its hull. */
  private readonly boxes: boolean[] = [];
  /** Indices of cubes that are narrow in some dimension, by the part of that dimension they lie in. */
  private readonly shelves = new Map<number, number[]>();
  /** The same indices by `SHELVED` dimension, each in one list. */
  private readonly narrow: readonly number[][] = SHELVED.map(() => []);
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
      this.boxes.push(cube.sets.every((set) => set.length === 2));
      let hull = (this.families.length - 1) * 2 * DIMENSIONS;
      if (hull + 2 * DIMENSIONS > this.hulls.length) {
        const grown = new Float64Array(2 * this.hulls.length);
        grown.set(this.hulls);
        this.hulls = grown;
      }
      for (const set of cube.sets) {
        this.hulls[hull++] = set[0];
        this.hulls[hull++] = set[set.length - 1];
      }
    }
  }

  private shelve({ family, sets }: Cube, index: number): void {
    for (let place = 0; place < SHELVED.length; place++) {
      const d = SHELVED[place];
      const first = sets[d][0];
      const last = sets[d][sets[d].length - 1] - 1;
      if (last - first >= SHELVES_MAX * SHELF) continue;
      this.narrow[place].push(index);
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
    if (this.isHeldByOne(point, this.wide)) return true;
    for (const d of SHELVED) {
      const shelf = this.shelves.get(shelfOf(family, d, values[d]));
      if (shelf && this.isHeldByOne(point, shelf)) return true;
    }
    return false;
  }

  private isHeldByOne(point: Point, indices: readonly number[]): boolean {
    for (const i of indices) if (this.isHeldBy(point, i)) return true;
    return false;
  }

  /** All cubes that hold the point, in order. */
  holding(point: Point): OwnedCube[] {
    const { family, values } = point;
    const found = new Set(this.wide.filter((i) => this.isHeldBy(point, i)));
    for (const d of SHELVED) {
      for (const i of this.shelves.get(shelfOf(family, d, values[d])) ?? []) if (this.isHeldBy(point, i)) found.add(i);
    }
    return [...found].sort((a, b) => a - b).map((i) => this.list[i]);
  }

  private isHeldBy({ family, values }: Point, i: number): boolean {
    if (this.families[i] !== family) return false;
    let hull = i * 2 * DIMENSIONS;
    for (let d = 0; d < DIMENSIONS; d++, hull += 2) {
      if (values[d] < this.hulls[hull] || values[d] >= this.hulls[hull + 1]) return false;
    }
    if (this.boxes[i]) return true;
    return this.list[i].cube.sets.every((set, d) => set.length === 2 || contains(set, values[d]));
  }

  /** Index of the first cube from `start` on that shares a packet with `cube`, or -1. */
  firstMeeting(cube: Cube, start: number): number {
    let first = this.families.length;
    for (const indices of this.near(cube)) {
      for (let k = lowerBound(indices, start); k < indices.length && indices[k] < first; k++) {
        if (this.meets(cube, indices[k])) first = indices[k];
      }
    }
    return first === this.families.length ? -1 : first;
  }

  /** All cubes that share a packet with the region, in order. */
  meeting(region: Region): OwnedCube[] {
    const found = new Set<number>();
    for (const cube of region) {
      for (const indices of this.near(cube)) for (const i of indices) if (this.meets(cube, i)) found.add(i);
    }
    return [...found].sort((a, b) => a - b).map((i) => this.list[i]);
  }

  /** Lists, each ascending, that together name every cube that can share a packet with `cube`. */
  private near({ family, sets }: Cube): readonly (readonly number[])[] {
    const lists: (readonly number[])[] = [this.wide];
    SHELVED.forEach((d, place) => {
      const first = shelfOf(family, d, sets[d][0]);
      const last = shelfOf(family, d, sets[d][sets[d].length - 1] - 1);
      if (last - first >= SHELVES_ASKED) {
        lists.push(this.narrow[place]);
        return;
      }
      for (let key = first; key <= last; key++) {
        const shelf = this.shelves.get(key);
        if (shelf) lists.push(shelf);
      }
    });
    return lists;
  }

  private meets(cube: Cube, i: number): boolean {
    if (this.families[i] !== cube.family) return false;
    const { hulls } = this;
    const { sets } = cube;
    let isBox = this.boxes[i];
    for (let d = 0, hull = i * 2 * DIMENSIONS; d < DIMENSIONS; d++, hull += 2) {
      const set = sets[d];
      if (set[0] >= hulls[hull + 1] || set[set.length - 1] <= hulls[hull]) return false;
      if (set.length > 2) isBox = false;
    }
    return isBox || !cubesAreDisjoint(cube, this.list[i].cube);
  }
}

/** Place of the first number of an ascending list that is at least `value`. */
function lowerBound(list: readonly number[], value: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
