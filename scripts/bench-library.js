'use strict';
// A program that applies a file whenever it is told to: `node scripts/bench-library.js NETNS FILE`. Each line it reads,
// `applied` or `prepared`, is answered by its number and that word once it is so, or by what is in the way.
const process = require('node:process');
const { createInterface } = require('node:readline');
const { Firewall } = require('../dist/index.js');

async function main([netns, file]) {
  const firewall = await Firewall.open({ netns });
  const tasks = {
    prepared: () => firewall.prepare(),
    applied: async () => {
      const { kind, diagnostics } = await firewall.apply(file);
      if (kind !== 'applied') throw new Error(`${kind}: ${diagnostics.map(({ message }) => message).join('; ')}`);
    },
  };
  await tasks.applied().catch(() => undefined); // it is enforced already
  console.log('ready');
  let number = 0;
  for await (const word of createInterface({ input: process.stdin })) {
    const answer = await tasks[word]().then(
      () => word,
      (error) => error.message,
    );
    console.log(`${++number} ${answer}`);
  }
  await firewall.close();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.stack);
  process.exitCode = 1;
});
