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
  private readonly list: OwnedCube[] = [];
  /** Lowest value and end of each dimension, `2 * DIMENSIONS` numbers a cube. */
  private readonly hulls: number[] = [];
  private readonly families: Family[] = [];

  /** A table of these rows; the owner of a cube is the position of its region. */
  static of(rows: readonly Region[]): CubeTable {
    const table = new CubeTable();
    rows.forEach((region, owner) => table.add(owner, region));
    return table;
  }

  /** Appends the cubes of a row. */
  add(owner: number, region: Region): void {
    for (const cube of region) {
      this.list.push({ owner, cube });
      this.families.push(cube.family);
      for (const set of cube.sets) this.hulls.push(set[0], set[set.length - 1]);
    }
  }

  get entries(): readonly OwnedCube[] {
    return this.list;
  }

  /** Index of the first cube that holds the point, or -1. */
  firstHolding({ family, values }: Point): number {
    const { hulls, families } = this;
    search: for (let i = 0; i < families.length; i++) {
      if (families[i] !== family) continue;
      let hull = i * 2 * DIMENSIONS;
      for (let d = 0; d < DIMENSIONS; d++, hull += 2) {
        if (values[d] < hulls[hull] || values[d] >= hulls[hull + 1]) continue search;
      }
      if (this.list[i].cube.sets.every((set, d) => set.length === 2 || contains(set, values[d]))) return i;
    }
    return -1;
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
