import { MAX_REQUEST_BYTES, readOwnerRequest } from '../../../src/parse/owner-request';

const read = (text: string): unknown => readOwnerRequest(Buffer.from(text));

test('a request', () => {
  expect(read('{"version":1,"verb":"allow","words":["22/tcp"],"for":"1h","message":"why"}')).toEqual({
    kind: 'request',
    request: { version: 1, verb: 'allow', words: ['22/tcp'], for: '1h', message: 'why' },
  });
  expect(read('{"version":1,"verb":"status"}')).toMatchObject({ request: { words: [] } });
});

test.each([
  ['', 'the request is not JSON in UTF-8'],
  ['[]', 'the request is not what was expected: a map: version, verb, words'],
  ['null', 'the request is not what was expected: a map: version, verb, words'],
  ['{"version":2,"verb":"status"}', '"version" is not what was expected: 1'],
  ['{"version":1,"verb":"apply"}', /^"verb" is not what was expected: one of status, /],
  ['{"version":1,"verb":"status","server":"b"}', '"server" is no key of a request'],
  ['{"version":1,"verb":"status","__proto__":1}', '"__proto__" is no key of a request'],
  ['{"version":1,"verb":"allow","words":["a\\nb"]}', /^"words.0" is not what was expected: a text of 1 to 4096/],
  ['{"version":1,"verb":"allow","words":[""]}', /^"words.0" is not/],
  ['{"version":1,"verb":"allow","message":"\\u202e"}', /^"message" is not/],
  [`{"version":1,"verb":"allow","words":["${'x'.repeat(5000)}"]}`, /^"words.0" is not/],
  ['['.repeat(MAX_REQUEST_BYTES), 'the request is not JSON in UTF-8'],
])('%.60s', (text, message) => {
  const reading = read(text) as { kind: string; message: string };
  expect(reading.kind).toBe('refused');
  expect(reading.message).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
});
