'use strict';
// What tests import as `fast-check`: with the same seed in every run, so that a run that failed fails again and no run
// fails by bad luck. `SLUICE_SEED` looks elsewhere, as in tests with generators of their own.
const fc = require('../../node_modules/fast-check/lib/cjs/fast-check.js');

const seed = Number(process.env.SLUICE_SEED || 0x51ce);
if (!Number.isInteger(seed)) throw new Error(`SLUICE_SEED "${process.env.SLUICE_SEED}" is not an integer`);
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
module.exports = fc;
