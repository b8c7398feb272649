/** The maps of ALLOW ALL without an installation: what is open for the programs that are given them. */
import { openDatapath } from '../../src/kernel/datapath-object';
import { kernel } from '../../src/kernel/native';
import { SLC_LIMITS } from '../../src/abi/layout.gen';
import { type OpenMaps, OpenTable } from '../../src/load/open-table';
import type { OpenSections } from '../../src/model/allow-all';

/** Farther than any test runs. */
const FOREVER_NS = 1n << 62n;

export class OpenStand {
  private constructor(readonly maps: OpenMaps) {}

  static async create(): Promise<OpenStand> {
    const entries = SLC_LIMITS.OPEN_SECTIONS;
    const object = openDatapath(kernel(), 'slc_read_clock', {
      create: { slc_clock: 1, slc_state: 1, slc_open: entries, slc_open_index: entries },
    });
    await object.load();
    const maps = { state: object.map('slc_state'), open: object.map('slc_open'), index: object.map('slc_open_index') };
    object.close();
    return new OpenStand(maps);
  }

  get table(): OpenTable {
    return new OpenTable(this.maps);
  }

  /** Opens these until a boot time, and nothing else. */
  async set(open: OpenSections, deadlineNs = FOREVER_NS): Promise<void> {
    const { table } = this;
    await table.clear(table.list());
    for (const section of open === 'everything' ? [null] : open) table.open(section, deadlineNs);
  }

  close(): void {
    for (const map of Object.values(this.maps) as OpenMaps['state'][]) map.close();
  }
}
