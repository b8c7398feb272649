'use strict';
// Jest's environment for a machine that is emulated: every test and hook gets more time than it asks for. Limits that
// tests set themselves are out of reach of --testTimeout, hence here.
const { TestEnvironment } = require('jest-environment-node');

/** An emulated processor is about ten times slower; the rest is for a busy host. */
const PATIENCE = 15;

module.exports = class PatientEnvironment extends TestEnvironment {
  /** A beforeEach is one object however often it runs. */
  #seen = new WeakSet();

  handleTestEvent(event, state) {
    const subject = event.name === 'test_start' ? event.test : event.name === 'hook_start' ? event.hook : undefined;
    if (!subject || this.#seen.has(subject)) return;
    this.#seen.add(subject);
    subject.timeout = (subject.timeout ?? state.testTimeout) * PATIENCE;
  }
};
