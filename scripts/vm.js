'use strict';
// Tries this checkout, as it is built, on other kernels: boots Debian's kernel packages in a virtual machine whose root
// file system is this machine's, read-only under a layer in memory, and runs the suites and the demo there.
//   npm run test:vm                       every kernel of lib/vm-kernels.js
//   npm run test:vm -- 6.1                that one
//   npm run test:vm -- 6.1 all            the whole suites also where the processor is emulated
//   npm run test:vm -- 6.1 -- COMMAND …   one command there, instead of all that
// Nothing is installed: packages are unpacked below ~/.cache/sluice-vm. Needs qemu-system-x86 and busybox-static. Without
// /dev/kvm the processor is emulated, ten times slower or more; then the first steps are all, unless asked. The machine
// has two processors, or as many as SLUICE_VM_CPUS says.
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { clearTimeout, setTimeout } = require('node:timers');
const { KERNELS, packInitramfs, provideKernel } = require('./lib/vm-kernels.js');
const { addCounts, closingLine, countReport, skippedTests } = require('./lib/summary.js');

const root = path.dirname(__dirname);
const EMULATION = ['-accel', 'tcg,thread=multi', '-cpu', 'max'];
const HEADLESS = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'];
/** How long the machine may take besides its steps. */
const BOOT_SECONDS = 600;
/** How long the first try with kvm may take. */
const KVM_SECONDS = 15;

/** A command of PATH and what brings it on Debian. */
const TOOLS = [
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['busybox', 'busybox-static'],
  ['apt-get', 'apt'],
  ['dpkg-deb', 'dpkg'],
];

/**
 * Jest in the guest; its report comes back by the shared folder. A suite ends with its last test (npm test looks for
 * handles left open, and a test that ran out of time leaves some).
 */
function jest(name, suite, choice = '') {
  const command = ['node node_modules/jest/bin/jest.js --ci --runInBand --forceExit --selectProjects', suite];
  command.push(`--json --outputFile=/run/sluice-vm/${name}.json ${choice}`);
  return { name, seconds: 1200, command: command.join(' ').trim(), report: `${name}.json` };
}

/**
 * What an older kernel could refuse or do otherwise:
 * - no-egress: without modules for what goes out, before anything loads them;
 * - packets: the product's own commands on a NIC, in both modes, with real connections: every part of the ruleset decides
 *   some of them, in and out; everything is gone after disable;
 * - programs: every program in every setting of the verifier's budget is loaded, the twins among them;
 * - tiers: each way out of the datapath by test run, under every split; and the gates.
 */
const FIRST_STEPS = [
  { name: 'no-egress', seconds: 120, command: 'test/vm/no-egress.sh' },
  { name: 'version', seconds: 60, command: 'node dist/cli/main.js version' },
  jest('packets', 'e2e', '--testPathPatterns e2e/every-kernel'),
  jest('programs', 'kernel', '--testPathPatterns verifier-budget oldest-verifier'),
  jest('tiers', 'kernel', '--testPathPatterns kernel/tiers kernel/gate kernel/egress-gate'),
];
/** The demo, and the rest of the suites but for the tests of the witness, which is no part of the product. */
const DONE = ['verifier-budget', 'oldest-verifier', 'tiers', 'gate', 'egress-gate', 'lpm-witness'];
const MORE_STEPS = [
  jest('attach', 'e2e', '--testPathPatterns e2e/attach e2e/clsact'),
  { name: 'demo', seconds: 300, command: 'node dist/cli/main.js demo' },
  jest('native', 'native'),
  jest('kernel', 'kernel', `--testPathIgnorePatterns ${DONE.map((name) => `kernel/${name}`).join(' ')}`),
];
/** An emulated processor gets this many times the time. */
const PATIENCE = 6;

function say(text) {
  console.log(`vm: ${text}`);
}

function findCommand(name) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.map((folder) => path.join(folder, name)).find((file) => fs.existsSync(file));
}

function parseArguments(words) {
  const split = words.indexOf('--');
  const before = split < 0 ? words : words.slice(0, split);
  const command = split < 0 ? [] : words.slice(split + 1);
  const names = before.filter((word) => word !== 'all');
  const unknown = names.filter((name) => !Object.hasOwn(KERNELS, name));
  if (unknown.length > 0) {
    console.error(`vm: unknown kernel "${unknown[0]}", expected one of ${Object.keys(KERNELS).join(', ')}`);
    process.exit(2);
  }
  return {
    kernels: names.length > 0 ? names : Object.keys(KERNELS),
    all: before.includes('all'),
    command: command.join(' '),
  };
}

/**
 * Options of qemu: kvm where it runs this kernel, else emulation. A /dev/kvm alone says little: inside some virtual
 * machines it opens and then never gets a kernel past its first instructions. A kernel without a root file system
 * panics, and so ends qemu, within seconds.
 */
function chooseAcceleration(image) {
  const kvm = ['-accel', 'kvm', '-cpu', 'max,-arch-capabilities'];
  if (!fs.existsSync('/dev/kvm')) return EMULATION;
  const { status } = spawnSync(
    'qemu-system-x86_64',
    [...kvm, ...HEADLESS, '-machine', 'q35', '-m', '512', '-kernel', image, '-append', 'panic=-1'],
    { stdio: 'ignore', timeout: KVM_SECONDS * 1000, killSignal: 'SIGKILL' },
  );
  return status === 0 ? kvm : EMULATION;
}

/** qemu with the kernel; `results` is the one folder that the guest may write to. Answers with words where it fails. */
function boot({ image, modules }, { acceleration, initramfs, results, seconds }) {
  const share = (tag, folder, readonly) => [
    '-fsdev',
    `local,id=${tag},path=${folder},security_model=none,multidevs=remap${readonly ? ',readonly=on' : ''}`,
    '-device',
    `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`,
  ];
  const line = [
    'console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off random.trust_cpu=on',
    `sluice.guest=${path.join(root, 'test/vm/guest.sh')}`,
  ];
  const child = spawn(
    'qemu-system-x86_64',
    [
      ...acceleration,
      ...['-machine', 'q35', '-smp', process.env.SLUICE_VM_CPUS ?? '2', '-m', '4096'],
      ...[...HEADLESS, '-serial', 'stdio'],
      ...['-device', 'virtio-rng-pci', '-kernel', image, '-initrd', initramfs, '-append', line.join(' ')],
      ...share('host', '/', true),
      ...share('modules', modules, true),
      ...share('results', results, false),
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  let late = false;
  const limit = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, seconds * 1000);
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (status, signal) => {
      clearTimeout(limit);
      if (late) resolve(`the machine was stopped after ${seconds} s`);
      else resolve(status === 0 ? undefined : `qemu ended with ${signal ?? `exit code ${status}`}`);
    });
  });
}

/** Tests of an emulated processor: more time, and, unless they are chosen by name, no floods, which say little of a kernel. */
const PATIENT = '--env=./test/vm/patient-environment.js';
const NO_FLOODS = "--testNamePattern='^(?!.*(million|flood))'";

/** The steps for a processor, with their limits. */
function chooseSteps({ all, command }, acceleration) {
  const emulated = acceleration === EMULATION;
  const steps = [...FIRST_STEPS, ...(all || !emulated ? MORE_STEPS : [])];
  return (command === '' ? steps : [{ name: 'command', seconds: 3600, command }]).map((step) => ({
    ...step,
    seconds: step.seconds * (emulated ? PATIENCE : 1),
  }));
}

/** A step's command line; an emulated processor gets fewer pairs. */
function commandOf({ command, report }, acceleration) {
  if (!report) return command;
  const emulated = acceleration === EMULATION;
  const pairs = process.env.SLUICE_PAIRS ?? (emulated ? 20_000 : 200_000);
  const options = emulated ? [PATIENT, ...(command.includes('--testNamePattern') ? [] : [NO_FLOODS])] : [];
  const patience = emulated ? [`SLUICE_PATIENCE=${PATIENCE}`] : [];
  return [`SLUICE_PAIRS=${pairs}`, ...patience, command, ...options].join(' ');
}

/** What a step's files say: `problem` in words, and jest's counts; a plain step counts as one test. */
function judge(results, { name, report, command }) {
  const byName = command.includes('--testNamePattern');
  const read = (file) => {
    const full = path.join(results, file);
    return fs.existsSync(full) ? fs.readFileSync(full, 'utf8') : undefined;
  };
  const status = read(`${name}.status`)?.trim();
  const problem = status === '0' ? undefined : status === undefined ? 'never ended' : `exit code ${status}`;
  if (!report) {
    const counts = { passed: problem ? 0 : 1, failed: problem ? 1 : 0, skipped: 0 };
    return { name, problem, counts, skipped: [] };
  }
  const text = read(report);
  const parsed = text ? JSON.parse(text) : undefined;
  const counts = countReport(parsed);
  // what was not asked for by name is reported as skipped as well
  if (byName) return { name, problem, counts: { ...counts, skipped: 0 }, skipped: [] };
  return { name, problem, counts, skipped: skippedTests(parsed) };
}

async function tryKernel(name, choice) {
  const kernel = provideKernel(KERNELS[name]);
  if (kernel.missing) return { name, absent: kernel.missing };
  const acceleration = chooseAcceleration(kernel.image);
  const steps = chooseSteps(choice, acceleration);
  say(`${name}: booting ${kernel.release} with ${acceleration[1]}: ${steps.map((step) => step.name).join(', ')}`);
  const results = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-vm-'));
  try {
    const initramfs = path.join(results, 'initramfs');
    packInitramfs(kernel, path.join(root, 'test/vm/init.sh'), initramfs);
    fs.writeFileSync(
      path.join(results, 'steps'),
      steps.map((step) => `${[step.name, step.seconds, commandOf(step, acceleration)].join('\t')}\n`).join(''),
    );
    const seconds = steps.reduce((sum, step) => sum + step.seconds, BOOT_SECONDS);
    const problem = await boot(kernel, { acceleration, initramfs, results, seconds });
    const outcomes = steps.map((step) => judge(results, step));
    const tainted = path.join(results, 'tainted');
    const taint = fs.existsSync(tainted) ? fs.readFileSync(tainted, 'utf8').trim() : 'unknown';
    return { name, release: kernel.release, problem, outcomes, taint };
  } finally {
    fs.rmSync(results, { recursive: true, force: true });
  }
}

async function main() {
  const { kernels, ...choice } = parseArguments(process.argv.slice(2));
  const absent = TOOLS.filter(([command]) => !findCommand(command));
  if (process.arch !== 'x64') return say(`skipped: the machine is ${process.arch}, the kernels are for x64`);
  if (absent.length > 0)
    return say(`skipped: apt-get install --no-install-recommends ${absent.map(([, name]) => name).join(' ')}`);
  if (process.getuid() !== 0) throw new Error('the machine shares this root file system, which needs root: use sudo');
  const began = Date.now();
  const tried = [];
  for (const name of kernels) tried.push(await tryKernel(name, choice));

  let failures = 0;
  const counts = [];
  for (const { name, absent: reason, release, problem, outcomes, taint } of tried) {
    if (reason) {
      say(`${name}: skipped: ${reason}`);
      continue;
    }
    for (const outcome of outcomes) {
      const { name: step, problem: wrong, counts: each, skipped } = outcome;
      say(`${release}: ${wrong ? 'FAILED' : 'ok    '} ${step}: ${closingLine(each)}${wrong ? ` (${wrong})` : ''}`);
      for (const test of skipped) say(`${release}: skipped: ${test}`);
      if (wrong && each.failed === 0) failures++;
      counts.push(each);
    }
    const bad = problem ?? (taint === '0' ? undefined : `kernel tainted: ${taint}`);
    if (bad) say(`${release}: FAILED ${bad}`);
    if (bad) failures++;
  }
  const total = addCounts(counts, failures);
  say(`${closingLine(total)} in ${Math.round((Date.now() - began) / 1000)} s`);
  if (total.failed > 0) process.exitCode = 1;
}

main().catch((error) => {
  console.error(`vm: ${error.message}`);
  process.exitCode = 1;
});
