interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}
const { addCounts, closingLine, countReport, skippedTests, unexplainedSkips } = jest.requireActual<{
  addCounts: (counts: Counts[], failedChecks: number) => Counts;
  closingLine: (counts: Counts) => string;
  countReport: (report?: object) => Counts;
  skippedTests: (report?: object) => string[];
  unexplainedSkips: (names: string[]) => string[];
}>('../../../scripts/lib/summary.js');
const { compareSnapshots } = jest.requireActual<{
  compareSnapshots: (before: Set<string>, after: Set<string>, isAlive: (pid: number) => boolean) => string[];
}>('../../../scripts/lib/leftovers.js');

describe('countReport', () => {
  const report = {
    success: true,
    numPassedTests: 7,
    numFailedTests: 0,
    numPendingTests: 2,
    numTodoTests: 1,
    numRuntimeErrorTestSuites: 0,
  };

  test('takes the figures as jest has them', () => {
    expect(countReport(report)).toEqual({ passed: 7, failed: 0, skipped: 3 });
  });

  test('a suite that could not start is a failure', () => {
    expect(countReport({ ...report, success: false, numRuntimeErrorTestSuites: 2 }).failed).toBe(2);
  });

  test('a run that says it failed, with no failed test, is a failure', () => {
    expect(countReport({ ...report, success: false }).failed).toBe(1);
  });

  test('a run that wrote no report is a failure', () => {
    expect(countReport(undefined)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});

test('the closing line sums runs and failed checks', () => {
  const counts = [
    { passed: 3, failed: 1, skipped: 0 },
    { passed: 4, failed: 0, skipped: 2 },
  ];
  expect(closingLine(addCounts(counts, 2))).toBe('7 passed, 3 failed, 2 skipped');
});

test('skipped tests are named', () => {
  const assertionResults = [
    { status: 'passed', fullName: 'a' },
    { status: 'pending', fullName: 'needs Linux 6.10' },
  ];
  expect(skippedTests({ testResults: [{ assertionResults }, {}] })).toEqual(['needs Linux 6.10']);
  expect(skippedTests(undefined)).toEqual([]);
  const explained = [
    'a (needs tcx, since Linux 6.6)',
    'b (needs the kernel of the budget, from Linux 6.18 to before 6.19)',
  ];
  expect(unexplainedSkips([...explained, 'c', 'd (needs luck)'])).toEqual(['c', 'd (needs luck)']);
});

describe('compareSnapshots', () => {
  const nobody = (): boolean => false;

  test('what was there before is no leftover, what came and stayed is', () => {
    expect(compareSnapshots(new Set(['link eth0']), new Set(['link eth0', 'pin /sys/fs/bpf/sluice']), nobody)).toEqual([
      'pin /sys/fs/bpf/sluice',
    ]);
  });

  test('a namespace that carries the id of a living process is its business', () => {
    const after = new Set(['namespace slc-4711-edge', 'link slc4712a', 'pin /sys/fs/bpf/sluice/4711']);
    expect(compareSnapshots(new Set(), after, (pid) => pid === 4711)).toEqual([
      'link slc4712a',
      'pin /sys/fs/bpf/sluice/4711',
    ]);
  });
});
