'use strict';
// Debian's kernel packages, unpacked into a cache folder, and the initramfs that starts the test VM with one of them.
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** Series to try, and the package of Debian 12 that depends on its newest image. 6.1 is the oldest sluice supports. */
const KERNELS = { 6.1: 'linux-image-amd64', 6.12: 'linux-image-6.12-amd64' };

/** Modules of the initramfs: what the shared file systems need, and veth. The others load by need, from the share. */
const BOOT_MODULES = ['virtio_pci', 'virtio_rng', '9pnet_virtio', '9p', 'overlay', 'veth'];

const cache = path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'sluice-vm');

/** The image that a meta-package depends on, or undefined where the package lists know none. */
function resolvePackage(name) {
  const { status, stdout } = spawnSync('apt-cache', ['show', '--no-all-versions', name], { encoding: 'utf8' });
  const found = status === 0 ? /^Depends:.*?(linux-image-(\d\S*)) \(= (\S+)\)/m.exec(stdout) : null;
  return found ? { image: found[1], release: found[2], version: found[3] } : undefined;
}

/**
 * Downloads and unpacks what the meta-package stands for, once. `release` as `uname -r` will say it, `image` the
 * kernel's file, `modules` the folder for /lib/modules; or `missing`, the reason why there is none.
 */
function provideKernel(metaPackage) {
  const wanted = resolvePackage(metaPackage);
  if (!wanted) return { missing: `apt-cache knows no package ${metaPackage} (apt-get update?)` };
  const { image, release, version } = wanted;
  const folder = path.join(cache, `${image}_${version}`);
  if (!fs.existsSync(folder)) {
    fs.mkdirSync(cache, { recursive: true });
    const work = fs.mkdtempSync(path.join(cache, 'unpacking-'));
    try {
      const { status, stderr } = spawnSync('apt-get', ['download', '-q', `${image}=${version}`], {
        cwd: work,
        encoding: 'utf8',
      });
      const file = fs.readdirSync(work).find((name) => name.endsWith('.deb'));
      if (status !== 0 || !file) return { missing: `apt-get download ${image}=${version}: ${stderr.trim()}` };
      execFileSync('dpkg-deb', ['-x', path.join(work, file), path.join(work, 'root')]);
      execFileSync('busybox', ['depmod', '-b', path.join(work, 'root'), release]);
      fs.renameSync(path.join(work, 'root'), folder);
    } finally {
      fs.rmSync(work, { recursive: true, force: true });
    }
  }
  return { release, image: path.join(folder, `boot/vmlinuz-${release}`), modules: path.join(folder, 'lib/modules') };
}

/** Files of the modules below /lib/modules/RELEASE with what they depend on, in the order of loading. */
function orderModules(dependencies, names) {
  const needs = new Map();
  for (const line of dependencies.split('\n').filter(Boolean)) {
    const [file, rest] = line.split(':');
    needs.set(file, rest.trim().split(/\s+/).filter(Boolean));
  }
  const nameOf = (file) =>
    path
      .basename(file)
      .replace(/\.ko(\.xz)?$/, '')
      .replaceAll('-', '_');
  const ordered = [];
  const add = (file) => {
    if (ordered.includes(file)) return;
    for (const needed of needs.get(file) ?? []) add(needed);
    ordered.push(file);
  };
  for (const name of names) {
    const file = [...needs.keys()].find((candidate) => nameOf(candidate) === name);
    if (file) add(file); // what is no module is built in
  }
  return ordered;
}

/** Writes an initramfs of busybox, the boot modules and `init` to `file`. */
function packInitramfs({ release, modules }, init, file) {
  const base = path.join(modules, release);
  const tree = `${file}.d`;
  for (const folder of ['bin', 'modules', 'proc', 'sys', 'dev'])
    fs.mkdirSync(path.join(tree, folder), { recursive: true });
  const ordered = orderModules(fs.readFileSync(path.join(base, 'modules.dep'), 'utf8'), BOOT_MODULES);
  const names = ordered.map((module) => {
    const name = path.basename(module, '.xz');
    const content = fs.readFileSync(path.join(base, module));
    const plain = module.endsWith('.xz')
      ? execFileSync('busybox', ['unxz', '-c'], { input: content, maxBuffer: 1 << 28 })
      : content;
    fs.writeFileSync(path.join(tree, 'modules', name), plain);
    return name;
  });
  fs.writeFileSync(path.join(tree, 'modules.list'), names.map((name) => `${name}\n`).join(''));
  const busybox = execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim();
  fs.copyFileSync(busybox, path.join(tree, 'bin/busybox'));
  fs.copyFileSync(init, path.join(tree, 'init'));
  fs.chmodSync(path.join(tree, 'init'), 0o755);
  const list = execFileSync('busybox', ['find', '.'], { cwd: tree });
  const archive = execFileSync('busybox', ['cpio', '-o', '-H', 'newc'], {
    cwd: tree,
    input: list,
    maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  fs.writeFileSync(file, archive);
  fs.rmSync(tree, { recursive: true });
}

module.exports = { KERNELS, orderModules, packInitramfs, provideKernel };
