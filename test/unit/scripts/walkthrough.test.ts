const { walkthroughForReaders } = jest.requireActual<{
  walkthroughForReaders: (text: string) => string;
}>('../../../scripts/lib/walkthrough.js');

test('masks show samples, files their names, the title goes; blocks keep their hashes', () => {
  const text = [
    '# Title',
    '',
    '```yaml title=rules.yaml',
    '# a comment',
    '```',
    '```console',
    'edge$ sluice status',
    '{{n:17@hits}} hits {{time:3 ms}} {{word}}',
    '```',
  ].join('\n');
  expect(walkthroughForReaders(text).split('\n')).toEqual([
    '`rules.yaml`:',
    '',
    '```yaml',
    '# a comment',
    '```',
    '```console',
    'edge$ sluice status',
    '17 hits 3 ms …',
    '```',
  ]);
});
