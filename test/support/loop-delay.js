'use strict';
// Loaded into a process (`node -r`): when it is asked by SIGUSR2 it tells how long its event loop was held at most since
// it was asked last, and begins anew.
const { monitorEventLoopDelay } = require('node:perf_hooks');
const process = require('node:process');
const { isMainThread } = require('node:worker_threads');

const RESOLUTION_MS = 1;

if (isMainThread) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  process.on('SIGUSR2', () => {
    process.stderr.write(`loop held: ${Math.max(0, delay.max / 1e6 - RESOLUTION_MS).toFixed(1)} ms\n`);
    delay.reset();
  });
}
