'use strict';
// Adds up jest's JSON reports and the plain checks to the one line that ends a test run.

/**
 * `report` is what `jest --json` wrote, or undefined where jest died before. A suite that could not even start counts
 * as one failure.
 */
function countReport(report) {
  if (!report) return { passed: 0, failed: 1, skipped: 0 };
  const broken = report.numRuntimeErrorTestSuites;
  // with an open failure flag and nothing else to show for it (a coverage or teardown error), the run has still failed
  const unexplained = !report.success && report.numFailedTests + broken === 0 ? 1 : 0;
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken + unexplained,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** Sum of counts; every failed check (lint, types …) is one failure more. */
function addCounts(counts, failedChecks) {
  const sum = { passed: 0, failed: failedChecks, skipped: 0 };
  for (const { passed, failed, skipped } of counts) {
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skipped;
  }
  return sum;
}

/** Names of skipped tests, for the list above the closing line. */
function skippedTests(report) {
  return (report?.testResults ?? []).flatMap((suite) =>
    (suite.assertionResults ?? [])
      .filter(({ status }) => status === 'pending' || status === 'todo')
      .map(({ fullName }) => fullName),
  );
}

/** Those of the names that do not say what the kernel lacks, as `test/support/needs.ts` writes it. */
function unexplainedSkips(names) {
  return names.filter((name) => !/ \(needs .+ Linux \d.*\)$/.test(name));
}

function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

module.exports = { addCounts, closingLine, countReport, skippedTests, unexplainedSkips };
