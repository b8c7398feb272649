'use strict';
// One project a suite (DESIGN: unit, property, golden, native, kernel, e2e); `jest --selectProjects unit` runs one.
const common = {
  rootDir: __dirname,
  testEnvironment: 'node',
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
};
const suite = (name) => ({ ...common, displayName: name, testMatch: [`<rootDir>/test/${name}/**/*.test.ts`] });
module.exports = {
  projects: ['unit', 'property', 'golden', 'native', 'kernel', 'e2e'].map(suite),
};
