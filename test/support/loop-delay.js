'use strict';
// Loaded into a process (`node -r`): when it is asked by SIGUSR2 it tells how long its event loop was held at most since
// it was asked last, and how much of the CPU one turn of it took at most, whatever else runs on the machine.
const fs = require('node:fs');
const { monitorEventLoopDelay } = require('node:perf_hooks');
const process = require('node:process');
const { setInterval } = require('node:timers');
const { isMainThread } = require('node:worker_threads');

const RESOLUTION_MS = 1;

/** Milliseconds for which this thread has had a CPU. */
function cpuMs() {
  return Number(fs.readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6;
}

if (isMainThread) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let before = cpuMs();
  let most = 0;
  const look = () => {
    const now = cpuMs();
    most = Math.max(most, now - before);
    before = now;
  };
  setInterval(look, RESOLUTION_MS).unref();
  process.on('SIGUSR2', () => {
    const held = Math.max(0, delay.max / 1e6 - RESOLUTION_MS);
    process.stderr.write(`loop held: ${held.toFixed(1)} ms, on the CPU ${most.toFixed(1)} ms\n`);
    delay.reset();
    most = 0;
  });
}
