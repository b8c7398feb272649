/** `npm run bench`: see `options.ts` for what it can be asked, `README.md` for what its figures mean. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { applyRows } from './apply-rows';
import { confirmRows } from './confirm-rows';
import { daemonRows } from './daemon-rows';
import { edgeRows } from './edge-rows';
import { trialRows } from './trial-rows';
import { floorPorts, loadFloors } from './measure/floors';
import { Lab } from './measure/lab';
import { Product } from './measure/product';
import { type Options, readOptions, sizesOf, USAGE } from './options';
import { Peers } from './peers/peer-rows';
import { productRows, type Stand } from './product-rows';
import { type Row, tableHead, tableLine } from './row';
import { swapRows } from './swap-rows';
import { tierRows } from './tier-rows';
import { makeSet, WORKLOAD_VERSION } from './sets/catalogue';
import { Scan } from './sets/scan';
import { hitTrace, missTrace } from './sets/trace';
import { atEnd } from '../support/netns';

/** Runs what the words ask for; answers with the exit status: 1 where an answer was wrong. */
export async function main(words: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = readOptions(words);
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n${USAGE}\n`);
    return 2;
  }
  const machine = describeMachine(options);
  const command = ['npm run -s bench --', ...words].join(' ');
  process.stderr.write(`${machine}\n`);
  let wrong = 0;
  const print = (row: Row): void => {
    wrong += row.wrong;
    process.stdout.write(options.json ? `${JSON.stringify({ ...row, machine, command })}\n` : `${tableLine(row)}\n`);
  };
  if (!options.json) process.stdout.write(`${tableHead()}\n`);
  const lab = new Lab();
  const disarm = atEnd(() => lab.destroy());
  const floors = await loadFloors();
  let stand: Stand | undefined;
  try {
    const ports = await floorPorts(lab, floors);
    stand =
      options.mode === 'native'
        ? { mode: 'native', floors: ports, product: await Product.open(lab) }
        : { mode: 'test-run', floors };
    const peers = options.peers ? new Peers({ lab, drop: ports.drop, pass: floors.pass }) : undefined;
    const missing = await peers?.missing();
    if (missing) process.stderr.write(`bench: ${missing}\n`);
    for (const family of options.families) {
      for (const name of options.sets) {
        for (const size of sizesOf(options, name)) {
          const set = makeSet(name, size, family);
          const scan = new Scan(set);
          const traces = { hit: hitTrace(set, scan), miss: missTrace(set, scan) };
          for (const row of await productRows(stand, set, traces, options.rounds)) print(row);
          if (peers) for (const row of await peers.rows(set, traces, options.rounds)) print(row);
        }
      }
    }
    if (options.tiers) for await (const row of tierRows(lab, ports.drop, options.rounds)) print(row);
    if (options.confirm)
      for (const rows of [confirmRows, trialRows]) for (const row of await rows(floors, options.rounds)) print(row);
    if (options.swap) for await (const row of swapRows(lab, options)) print(row);
    if (options.daemon) for await (const row of daemonRows(lab, options)) print(row);
    if (options.edge) for await (const row of edgeRows(lab)) print(row);
    if (options.apply) for await (const row of applyRows(lab, options)) print(row);
  } finally {
    if (stand?.mode === 'native') await stand.product.close();
    for (const program of [floors.drop, floors.parse, floors.pass]) program.close();
    lab.destroy();
    disarm();
  }
  if (wrong > 0) process.stderr.write(`bench: ${wrong} wrong answers\n`);
  return wrong > 0 ? 1 : 0;
}

function describeMachine({ mode }: Options): string {
  const status = readFileSync('/proc/self/status', 'utf8');
  const pinned = /^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? '?';
  const memory = Math.round(totalmem() / 2 ** 30);
  const way = mode === 'native' ? 'native XDP on veth, live frames' : 'plain test run of the program alone';
  return (
    `bench: workload ${WORKLOAD_VERSION}, ${cpus()[0].model.trim()}, ${cpus().length} CPUs, on CPU ${pinned}, ` +
    `${memory} GiB, load ${loadavg()[0].toFixed(1)}, Linux ${release()}, node ${process.version}, ${way}`
  );
}
