'use strict';
// What a test run could leave behind on the machine: namespaces, links, pins, kernel objects, state files, mounts,
// processes, temporary files, kernel complaints. A snapshot before and one after; what is only in the second is a leftover.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

/** Environment variable that marks every process of one test run. */
const RUN_MARK = 'SLUICE_TEST_RUN';

const KERNEL_COMPLAINT = /\bBUG:|\bWARNING:|\bOops\b|general protection fault|KASAN|soft lockup|refcount_t|UBSAN/;

/** Standard output, or nothing where the tool is missing or refused. */
function output(command, ...args) {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  return status === 0 ? stdout : '';
}

function listDirectory(directory) {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}

/** Files and folders below a directory, as full paths. */
function listTree(directory) {
  return listDirectory(directory).flatMap((name) => {
    const full = path.join(directory, name);
    return [full, ...listTree(full)];
  });
}

function mounts() {
  const text = fs.readFileSync('/proc/self/mounts', 'utf8');
  return [...text.matchAll(/^\S+ (\S+) /gm)].map(([, where]) => `mount ${where}`);
}

/** Names of network links of this namespace, without the `@peer` part. */
function links() {
  return [...output('ip', '-o', 'link', 'show').matchAll(/^\d+: ([^:@]+)/gm)].map((match) => `link ${match[1]}`);
}

/** Loaded programs and maps of sluice. Those that a process holds open are its own: it may be another test run. */
function kernelObjects() {
  const held = heldObjects();
  return ['prog', 'map'].flatMap((kind) => {
    const text = output('bpftool', '-j', kind, 'show');
    const objects = text === '' ? [] : JSON.parse(text);
    return objects
      .filter(({ id, name }) => name?.startsWith('slc_') && !held.has(`${kind} ${id}`))
      .map(({ id, name }) => `bpf ${kind} ${name} (id ${id})`);
  });
}

/** `prog ID` and `map ID` of every open descriptor; what only a held program uses is held as well. */
function heldObjects() {
  const held = new Set();
  for (const pid of listDirectory('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const descriptor of listDirectory(`/proc/${pid}/fdinfo`)) {
      try {
        const text = fs.readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8');
        for (const [, kind, id] of text.matchAll(/^(prog|map)_id:\s*(\d+)$/gm)) held.add(`${kind} ${id}`);
      } catch {
        // closed meanwhile
      }
    }
  }
  const text = output('bpftool', '-j', 'prog', 'show');
  for (const { id, map_ids: maps } of text === '' ? [] : JSON.parse(text))
    if (held.has(`prog ${id}`)) for (const map of maps ?? []) held.add(`map ${map}`);
  return held;
}

/** Processes that carry the mark of the run, without those in `except`. */
function processes(mark, except) {
  return listDirectory('/proc')
    .filter((name) => /^\d+$/.test(name) && !except.has(Number(name)))
    .flatMap((pid) => {
      try {
        const environment = fs.readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
        if (!environment.includes(`${RUN_MARK}=${mark}`)) return [];
        const words = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return words === '' ? [] : [`process ${pid}: ${words.slice(0, 120)}`];
      } catch {
        return []; // gone, or not ours to read
      }
    });
}

/** The process itself and its ancestors. */
function ancestry() {
  const pids = new Set();
  for (let pid = process.pid; pid > 0 && !pids.has(pid);) {
    pids.add(pid);
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    pid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  }
  return pids;
}

function kernelTaint() {
  return `kernel tainted: ${fs.readFileSync('/proc/sys/kernel/tainted', 'utf8').trim()}`;
}

function kernelComplaints() {
  return output('dmesg')
    .split('\n')
    .filter((line) => KERNEL_COMPLAINT.test(line))
    .map((line) => `kernel log: ${line}`);
}

/** Everything of interest that exists now. `temporary` is the run's own TMPDIR. */
function snapshot(mark, temporary) {
  return new Set([
    ...listDirectory('/run/netns').map((name) => `namespace ${name}`),
    ...links(),
    ...listTree('/sys/fs/bpf')
      .filter((name) => /sluice|slc/.test(name))
      .map((name) => `pin ${name}`),
    ...kernelObjects(),
    ...['/etc/sluice', '/var/lib/sluice', '/run/sluice', '/etc/systemd/system']
      .flatMap(listTree)
      .filter((name) => name.includes('sluice'))
      .map((name) => `file ${name}`),
    ...mounts().filter((name) => /sluice|slc/.test(name)),
    ...processes(mark, ancestry()),
    ...listDirectory(temporary)
      .filter((name) => name !== 'node-compile-cache')
      .map((name) => `temporary file ${path.join(temporary, name)}`),
    kernelTaint(),
    ...kernelComplaints(),
  ]);
}

/** What came and stayed. A name that carries the id of a living process is that process's business. */
function compareSnapshots(before, after, isAlive = (pid) => fs.existsSync(`/proc/${pid}`)) {
  return [...after].filter((item) => {
    if (before.has(item)) return false;
    const owner = /^(?:namespace|link) \S*?(\d{2,})/.exec(item);
    return !(owner && isAlive(Number(owner[1])));
  });
}

/** Unmounts what tests mounted below a folder, and removes it. */
function removeFolder(directory) {
  for (const [, mounted] of fs.readFileSync('/proc/mounts', 'utf8').matchAll(/^\S+ (\S+) /gm))
    if (mounted.startsWith(`${directory}/`)) output('umount', '-l', mounted);
  fs.rmSync(directory, { recursive: true, force: true });
}

module.exports = { RUN_MARK, compareSnapshots, removeFolder, snapshot };
