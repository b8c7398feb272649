'use strict';
// jest reads `testTimeout` of the whole run only, not of a project: each suite's own comes in as a global.
jest.setTimeout(globalThis.SLUICE_TEST_TIMEOUT);
