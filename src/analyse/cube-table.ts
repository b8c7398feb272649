/** Cubes in the order of their rows, with their hulls beside them, so that most comparisons never read a set. */
import { type Cube, cubesAreDisjoint, DIMENSIONS, type Region } from './cube';
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

export class CubeTable {
  readonly entries: readonly OwnedCube[];
  /** Lowest value and end of each dimension, `2 * DIMENSIONS` numbers a cube. */
  private readonly hulls: Int32Array;
  private readonly families: Uint8Array;
  /** Index of the first cube of each row, and behind the last one the number of cubes. */
  private readonly starts: Int32Array;

  constructor(rows: readonly Region[]) {
    this.entries = rows.flatMap((region, owner) => region.map((cube) => ({ owner, cube })));
    this.hulls = new Int32Array(this.entries.length * 2 * DIMENSIONS);
    this.families = Uint8Array.from(this.entries, ({ cube }) => cube.family);
    this.starts = new Int32Array(rows.length + 1);
    rows.forEach((region, row) => (this.starts[row + 1] = this.starts[row] + region.length));
    this.entries.forEach(({ cube }, i) => {
      cube.sets.forEach((set, d) => {
        this.hulls[(i * DIMENSIONS + d) * 2] = set[0];
        this.hulls[(i * DIMENSIONS + d) * 2 + 1] = set[set.length - 1];
      });
    });
  }

  /** Index of the first cube of a row; for the number of rows, the number of cubes. */
  startOf(row: number): number {
    return this.starts[row];
  }

  /** Index of the first cube in `[start, end)` that holds the point, or -1. */
  firstHolding({ family, values }: Point, start: number, end: number): number {
    const { hulls, families } = this;
    search: for (let i = start; i < end; i++) {
      if (families[i] !== family) continue;
      let hull = i * 2 * DIMENSIONS;
      for (let d = 0; d < DIMENSIONS; d++, hull += 2) {
        if (values[d] < hulls[hull] || values[d] >= hulls[hull + 1]) continue search;
      }
      if (this.entries[i].cube.sets.every((set, d) => set.length === 2 || contains(set, values[d]))) return i;
    }
    return -1;
  }

  /** Index of the first cube in `[start, end)` that shares a packet with `cube`, or -1. */
  firstMeeting(cube: Cube, start: number, end: number): number {
    const { hulls, families } = this;
    const { sets } = cube;
    search: for (let i = start; i < end; i++) {
      if (families[i] !== cube.family) continue;
      let hull = i * 2 * DIMENSIONS;
      for (let d = 0; d < DIMENSIONS; d++, hull += 2) {
        const set = sets[d];
        if (set[0] >= hulls[hull + 1] || set[set.length - 1] <= hulls[hull]) continue search;
      }
      if (!cubesAreDisjoint(cube, this.entries[i].cube)) return i;
    }
    return -1;
  }

  /** All cubes of rows below `row` that share a packet with the region. */
  meeting(region: Region, row: number): OwnedCube[] {
    const end = this.starts[row];
    const found = new Set<number>();
    for (const cube of region) {
      for (let i = this.firstMeeting(cube, 0, end); i >= 0; i = this.firstMeeting(cube, i + 1, end)) found.add(i);
    }
    return [...found].sort((a, b) => a - b).map((i) => this.entries[i]);
  }
}
