'use strict';
// Everything that `npm test` checks, after set-up: plain checks, then the suites. A failing part does not hide the
// later ones. The last line of output is `N passed, N failed, N skipped`: jest's own figures, plus one failure for each
// failed check.
//   run-tests.js [--user UID:GID:HOME] [SUITE …]   run by root; what needs no root runs as that user. With suites named,
//   they alone run, without the checks.
const { spawn, spawnSync } = require('node:child_process');
const { randomUUID } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { clearInterval, clearTimeout, setInterval, setTimeout } = require('node:timers');
const { setTimeout: sleep } = require('node:timers/promises');
const { RUN_MARK, compareSnapshots, removeFolder, snapshot } = require('./lib/leftovers.js');
const { addCounts, closingLine, countReport, skippedTests, unexplainedSkips } = require('./lib/summary.js');

const root = path.dirname(__dirname);

const CHECKS = ['lint', 'format:check', 'format:check:c', 'typecheck', 'check:layers', 'check:generated'];

/** Needs qemu, which nobody is made to install: says so and passes where it is missing. CI has it. */
const OLDEST_KERNEL = 'test:vm:oldest';

/**
 * `workers`: test files at a time. Those that count what the machine has of programs and maps run one after the other;
 * each e2e file has namespaces of its own, and waits more than it works: of the longest a processor has a third. What stands side by side runs at once: the
 * first needs no kernel, the others one core.
 */
const RUNS = [
  [
    [{ suites: ['unit', 'property', 'golden'], workers: 1, minutes: 15 }],
    [
      { suites: ['native'], workers: 1, minutes: 8, asRoot: true },
      { suites: ['kernel'], workers: 1, minutes: 20, asRoot: true },
    ],
  ],
  [[{ suites: ['e2e'], workers: 3, minutes: 55, asRoot: true }]],
];

const mark = randomUUID();
/** `user`: who typed `npm test`, where that was not root. */
const { user, suites: chosen } = parseArguments(process.argv.slice(2));
// a folder of this run alone, so that what stays in it is known to be ours
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-test-'));
// others may pass through it, though not look: sockets in it are for other users too
fs.chmodSync(temporary, 0o711);
const reports = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-reports-'));
if (user) for (const folder of [temporary, reports]) fs.chownSync(folder, user.uid, user.gid);
const environment = { ...process.env, [RUN_MARK]: mark, TMPDIR: temporary };
/** Folders of the checkout in which root's suites keep what they made: jest's cache, compiled helpers. */
const KEPT = ['.jest-cache', 'build'];

/** Seconds that jest may take to end once its report is written; longer means that something keeps it open. */
const LINGER_SECONDS = 60;

function parseArguments(words) {
  const fail = (problem) => {
    console.error(`test: ${problem}`);
    process.exit(2);
  };
  let user;
  let suites = words;
  if (words[0] === '--user') {
    const [, uid, gid, home] = /^(\d+):(\d+):(\/.*)$/.exec(words[1] ?? '') ?? [];
    if (home === undefined) fail(`--user: expected UID:GID:HOME, found "${words[1] ?? ''}"`);
    user = { uid: Number(uid), gid: Number(gid), home };
    suites = words.slice(2);
  }
  const known = RUNS.flat(2).flatMap((plan) => plan.suites);
  const unknown = suites.find((name) => !known.includes(name));
  if (unknown !== undefined) fail(`unknown suite "${unknown}", expected some of: ${known.join(', ')}`);
  return { user, suites };
}

function heading(text, out = process.stdout) {
  out.write(`\n━━ ${text} ${'━'.repeat(Math.max(0, 90 - text.length))}\n`);
}

/** Keeps what is written to it, and passes it on once it is let go, so that two runs at once do not mix their lines. */
class Held {
  #kept = [];

  write(text) {
    if (this.#kept) this.#kept.push(text);
    else process.stdout.write(text);
  }

  release() {
    for (const text of this.#kept ?? []) process.stdout.write(text);
    this.#kept = undefined;
  }
}

/** Runs a command to its end, at most `minutes`; answers with words on what went wrong, or undefined. */
async function run(command, args, { minutes, report, asRoot, out = process.stdout }) {
  const who = user && !asRoot ? { uid: user.uid, gid: user.gid } : {};
  // a process group of its own, so that nothing of it survives the time limit
  const child = spawn(command, args, {
    cwd: root,
    env: { ...environment, HOME: user && !asRoot ? user.home : os.userInfo().homedir },
    stdio: out === process.stdout ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...who,
  });
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => out.write(text));
  let killed;
  const kill = (why) => {
    killed ??= why;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // it ended by itself at the same moment
    }
  };
  const limit = setTimeout(kill, minutes * 60_000, `was stopped after ${minutes} minutes`);
  let written;
  const watch = setInterval(() => {
    if (!report || !fs.existsSync(report)) return;
    written ??= Date.now();
    if (Date.now() - written > LINGER_SECONDS * 1000) kill('did not end by itself: an open handle in a test');
  }, 1000);
  try {
    return await new Promise((resolve) => {
      child.on('error', (error) => resolve(error.message));
      child.on('exit', (status, signal) => {
        if (killed) resolve(killed);
        else if (signal) resolve(`ended by ${signal}`);
        else resolve(status === 0 ? undefined : `exit code ${status}`);
      });
    });
  } finally {
    // its last lines may still be on their way
    if (child.stdout && !child.stdout.readableEnded) await Promise.race([once(child, 'close'), sleep(1000)]);
    clearTimeout(limit);
    clearInterval(watch);
  }
}

function hasTests(suite) {
  const directory = path.join(root, 'test', suite);
  if (!fs.existsSync(directory)) return false;
  return fs.readdirSync(directory, { recursive: true }).some((name) => name.endsWith('.test.ts'));
}

async function runJest({ suites, workers, minutes, asRoot }, out) {
  const wanted = suites.filter((name) => chosen.length === 0 || chosen.includes(name));
  const present = wanted.filter(hasTests);
  for (const suite of wanted.filter((name) => !present.includes(name))) out.write(`test/${suite} has no tests\n`);
  if (present.length === 0) return undefined;
  const title = present.join(', ');
  heading(`jest: ${title}`, out);
  const file = path.join(reports, `${present.join('-')}.json`);
  const command = [
    process.execPath,
    path.join(root, 'node_modules/jest/bin/jest.js'),
    ...['--ci', '--selectProjects', ...present, '--json', `--outputFile=${file}`],
    ...(workers === 1 ? ['--runInBand'] : [`--maxWorkers=${workers}`]),
  ];
  const problem = await run(command[0], command.slice(1), { minutes, report: file, asRoot, out });
  const report = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : undefined;
  const counts = countReport(report);
  // a run that was stopped after its report is a failure that the report does not know
  const hidden = problem && counts.failed === 0 ? 1 : 0;
  return { title, problem, skipped: skippedTests(report), counts: addCounts([counts], hidden) };
}

/** The lanes of a stage at once: the first shows what it does, the others once those before them have ended. */
async function runStage(lanes) {
  const outputs = lanes.map((_, at) => (at === 0 ? process.stdout : new Held()));
  const results = lanes.map(async (plans, at) => {
    const done = [];
    for (const plan of plans) done.push(await runJest(plan, outputs[at]));
    return done;
  });
  const done = [];
  for (const [at, lane] of results.entries()) {
    outputs[at].release?.();
    done.push(...(await lane));
  }
  return done.filter(Boolean);
}

async function runCheck(name, { minutes = 10, asRoot = false } = {}) {
  heading(`npm run ${name}`);
  const problem = await run('npm', ['run', '--silent', name], { minutes, asRoot });
  if (problem) console.error(`npm run ${name}: ${problem}`);
  return { name, problem };
}

/** How long what goes by itself may take: namespaces are taken down one after the other, and the machine may be slow. */
const LEFTOVER_SECONDS = 60;

/** What the run left on the machine; kernel objects go a moment after their last reference, so it looks more than once. */
async function findLeftovers(before) {
  for (let attempt = 0; ; attempt++) {
    const left = compareSnapshots(before, snapshot(mark, temporary));
    if (left.length === 0 || attempt === LEFTOVER_SECONDS) return left;
    await sleep(1000);
  }
}

/** What root's suites made in the checkout goes to whoever owns it, who could not remove it else. */
function giveBack() {
  const { uid, gid } = fs.statSync(root);
  const kept = KEPT.map((name) => path.join(root, name)).filter((folder) => fs.existsSync(folder));
  if (uid !== 0) spawnSync('chown', ['-R', '--no-dereference', `${uid}:${gid}`, ...kept], { stdio: 'inherit' });
}

async function main() {
  const before = snapshot(mark, temporary);
  const old = [...before].filter((item) => /^(namespace|link) slc-|^pin /.test(item));
  for (const item of old) console.log(`there before the run, and none of its business: ${item}`);

  const checks = [];
  for (const name of chosen.length > 0 ? [] : CHECKS) checks.push(await runCheck(name));
  if (chosen.length === 0) checks.push(await runCheck(OLDEST_KERNEL, { minutes: 15, asRoot: true }));
  const runs = [];
  // whoever comes first makes it, and the user could not write into root's
  const cache = path.join(root, '.jest-cache');
  fs.mkdirSync(cache, { recursive: true });
  if (user) fs.chownSync(cache, user.uid, user.gid);
  for (const stage of RUNS) runs.push(...(await runStage(stage)));
  heading('leftovers');
  const leftovers = await findLeftovers(before);
  for (const item of leftovers) console.error(`left behind: ${item}`);
  checks.push({ name: 'leftovers', problem: leftovers.length > 0 ? `${leftovers.length} left behind` : undefined });

  const skipped = runs.flatMap((result) => result.skipped);
  const unexplained = unexplainedSkips(skipped);
  const count = unexplained.length;
  if (count > 0) checks.push({ name: 'skips', problem: `${count} without a reason: ${unexplained.join(', ')}` });

  heading('summary');
  for (const { name, problem } of checks)
    console.log(`${problem ? 'FAILED' : 'ok    '} ${name}${problem ? `: ${problem}` : ''}`);
  for (const { title, problem, counts } of runs)
    console.log(
      `${problem ? 'FAILED' : 'ok    '} jest ${title}: ${closingLine(counts)}${problem ? ` (${problem})` : ''}`,
    );
  for (const name of skipped) console.log(`skipped: ${name}`);

  const total = addCounts(
    runs.map((result) => result.counts),
    checks.filter((check) => check.problem).length,
  );
  for (const directory of [temporary, reports]) removeFolder(directory);
  giveBack();
  console.log(closingLine(total));
  return total.failed === 0;
}

main().then((ok) => (process.exitCode = ok ? 0 : 1));
