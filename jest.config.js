'use strict';
// One project a suite (DESIGN: unit, property, golden, native, kernel, e2e); `jest --selectProjects unit` runs one.
const common = {
  rootDir: __dirname,
  testEnvironment: 'node',
  // Tests run inside a vm, where each look at a global goes through an interceptor: 20 times slower in tight loops.
  sandboxInjectedGlobals: [
    'Array',
    'DataView',
    'Float64Array',
    'Math',
    'Number',
    'Object',
    'Uint32Array',
    'Uint8Array',
  ],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/build/'],
  moduleNameMapper: { '^fast-check$': '<rootDir>/test/support/fast-check.js' },
  // not in TMPDIR: `npm test` counts what stays there as a leftover
  cacheDirectory: `${__dirname}/.jest-cache/${process.getuid()}`,
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
};
/** Milliseconds a test may take: many times what it does, for machines that are slow, busy or both. */
const TIMEOUTS = { unit: 300_000, property: 600_000, golden: 300_000, native: 300_000, kernel: 600_000, e2e: 600_000 };

module.exports = {
  maxWorkers: '100%',
  testSequencer: '<rootDir>/test/support/sequencer.js',
  projects: Object.entries(TIMEOUTS).map(([name, timeout]) => ({
    ...common,
    displayName: name,
    testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
    globals: { SLUICE_TEST_TIMEOUT: timeout },
    setupFilesAfterEnv: ['<rootDir>/test/support/timeout.js'],
  })),
};
