/** What an owner is told to type works as it stands, at his socket. */
import { ownHint } from '../../../../src/operate/owner/own-words';

test.each([
  ['sluice move 2 before 1 --server red', 'sluice --socket /run/r.sock move 2 before 1'],
  [
    'ssh: { port: 22, from: anyone }, or: sluice allow from YOUR-ADDRESS to any port 22 proto tcp --server red',
    'sluice --socket /run/r.sock allow from YOUR-ADDRESS to any port 22 proto tcp',
  ],
  ['udp: on, or: sluice udp on red', 'sluice --socket /run/r.sock udp on'],
  [
    'sluice delete 3 --server red; or, where nobody else is meant: sluice ssh from rules --server red',
    'sluice --socket /run/r.sock delete 3; or, where nobody else is meant: sluice --socket /run/r.sock ssh from rules',
  ],
  ['allow red or sluice apply', 'allow red or sluice apply'],
  ['did you mean 22?', 'did you mean 22?'],
])('%s', (hint, expected) => {
  expect(ownHint(hint, 'red', '/run/r.sock')).toBe(expected);
});
