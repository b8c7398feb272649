/** As much of everything as one ruleset may have, through the installed command. What is more is refused: see the reader's tests. */
import { serve, tcpConnect } from '../support/clients';
import { EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';

const SERVERS = 4000;
const LARGEST = 10_000;
const PREFIXES = 1_000_000;
const RULES = 100_000;

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('most');
});

afterEach(() => host.close());

/** One of 10,000 rows, the others with what is left, which differ by who may come to which port. */
function rulesText(): string {
  const rest = RULES - LARGEST - 3;
  const few = Math.floor(rest / (SERVERS - 1));
  const servers = Array.from({ length: SERVERS }, (_, i) => {
    const count = i === 0 ? LARGEST : i === 1 ? rest - few * (SERVERS - 2) : few;
    const rows = Array.from(
      { length: count },
      (_, k) =>
        `      - ${k % 3 ? 'allow' : 'deny'} from 10.${k % 251}.${k >> 8}.0/24 to any port ${1 + k} proto tcp\n`,
    );
    return `  s${i}:\n    address: 198.18.${i >> 8}.${i & 255}\n    rules:\n${rows.join('')}`;
  });
  return (
    `version: 1\ninterfaces: [${HOST.link}]\nsets: { blocked: { file: blocked.txt } }\n` +
    `inbound:\n  default: deny\n  rules: [allow 8001/tcp, deny from blocked, allow 8000/tcp]\nservers:\n${servers.join('')}`
  );
}

/** Every other address from 11.0.0.0 on, so that no two join; the last is the neighbour's. */
function listText(): string {
  const hosts = Array.from({ length: PREFIXES - 1 }, (_, i) => {
    const word = 0x0b000000 + 2 * i;
    return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}\n`;
  });
  return `${hosts.join('')}${NEIGHBOUR.ipv4}\n`;
}

test('every ceiling at once is compiled, loaded and enforced', async () => {
  await serve(host.edge, ['tcp:8000', 'tcp:8001']);
  host.write('blocked.txt', listText());
  await host.must('apply', host.write('rules.yaml', rulesText()));
  // The last of a million keeps the neighbour out; the row above it lets him in.
  expect(await tcpConnect(host.wire, HOST.ipv4, 8000)).toBe('timeout');
  expect(await tcpConnect(host.wire, HOST.ipv4, 8001)).toBe('connected');
});
