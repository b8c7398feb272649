import { readWords } from '../../../src/cli/commands/status';

test.each([
  [[], { form: 'plain' }],
  [['verbose'], { form: 'verbose' }],
  [['gpu'], { server: 'gpu', form: 'plain' }],
  [['gpu', 'numbered'], { server: 'gpu', form: 'numbered' }],
  [['numbered', 'gpu'], { server: 'gpu', form: 'numbered' }],
  [['plain'], { server: 'plain', form: 'plain' }],
  [['verbose', 'verbose'], { server: 'verbose', form: 'verbose' }],
])('status %j', (words, expected) => expect(readWords(words)).toEqual(expected));

test('two servers are one too many', () =>
  expect(() => readWords(['one', 'two'])).toThrow(/more than a server and a form/));
