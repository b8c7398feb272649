'use strict';
// Loaded into a process (`node --expose-gc -r`): when it is asked by SIGUSR2 it tells what it has in use, garbage left out.
process.on('SIGUSR2', () => {
  global.gc();
  const { heapUsed, external } = process.memoryUsage();
  process.stderr.write(`in use: ${heapUsed + external} bytes\n`);
});
