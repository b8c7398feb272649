/** Who reaches a server's port, against the scan: sources at the corners of all rows, of rulesets with guard and servers. */
import { evaluatePacket } from '../../src/model/evaluate';
import { TCP_FLAG } from '../../src/model/flow';
import { NO_STATE } from '../../src/model/given-state';
import { evaluateOutgoingPacket } from '../../src/model/outbound';
import { type FlowKey, mirror } from '../../src/model/packet';
import { type AddressWords, lastAddress, prefixContains } from '../../src/model/prefix';
import { PROTOCOL } from '../../src/model/protocol';
import type { Ruleset } from '../../src/model/ruleset';
import type { Sources } from '../../src/analyse/space';
import { renderReached, reachedToJson, whoReaches } from '../../src/operate/who-reaches';
import { CornerPackets } from '../support/generate/corner-packets';
import { Random, testSeed } from '../support/generate/random';
import { generateSections } from '../support/generate/sections';
import { withServers } from '../support/generate/servers';
import { parseAddressText } from '../../src/parse/address';

const ROUNDS = 60;
const PACKETS = 300;

function getsIn(ruleset: Ruleset, key: FlowKey): boolean {
  const plain = { hopLimit: 64, fragment: 'none' } as const;
  if (evaluatePacket(ruleset, { ...key, ...plain, tcpFlags: TCP_FLAG.SYN }, NO_STATE).verdict !== 'allow') return false;
  if (key.protocol !== PROTOCOL.TCP) return true;
  const answer = { ...mirror(key), ...plain, tcpFlags: TCP_FLAG.SYN | TCP_FLAG.ACK };
  return evaluateOutgoingPacket(ruleset, answer, NO_STATE).verdict === 'allow';
}

const holds = ({ everyoneBut, prefixes }: Sources, words: AddressWords): boolean =>
  prefixes.some((one) => prefixContains(one, words)) !== everyoneBut;

test('whom the scan lets in is named, and whom it does not is not', () => {
  const seed = testSeed(5201);
  const random = new Random(seed);
  const seen = { in: 0, out: 0, proven: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const drawn = generateSections(random, random.between(1, 40));
    const { ruleset, rows } = withServers(random, drawn.ruleset, drawn.rows);
    const packets = new CornerPackets(random, rows);
    const servers = ruleset.servers ?? [];
    if (servers.length === 0) continue;
    const server = servers[random.between(0, servers.length - 1)];
    const port = server.ports ? server.ports[0].first : random.between(1, 65_535);
    const reached = whoReaches(ruleset, { port, protocols: ['tcp', 'udp'], addresses: server.addresses, bans: [] });
    for (let i = 0; i < PACKETS; i++) {
      const { family, source: words, sourcePort } = packets.draw();
      const source = [...words].slice(0, family === 4 ? 1 : 4);
      const own = server.addresses.filter((prefix) => prefix.family === family);
      if (own.length === 0 || sourcePort === 0) continue;
      const network = own[random.between(0, own.length - 1)];
      const destination = random.chance(0.5) ? network.words : lastAddress(network);
      for (const protocol of ['tcp', 'udp'] as const) {
        const found = reached.find((one) => one.family === family && one.protocol === protocol)!;
        if (!found.reach) continue;
        seen.proven++;
        const number = protocol === 'tcp' ? PROTOCOL.TCP : PROTOCOL.UDP;
        const key = { family, source, sourcePort, destination, destinationPort: port, protocol: number };
        const { sources, partly } = found.reach;
        const where = { seed, round, i, key, named: holds(sources, source), partly: holds(partly, source) };
        if (getsIn(ruleset, key)) {
          seen.in++;
          expect(where).toEqual({ ...where, named: true });
        } else {
          seen.out++;
          expect({ ...where, wholly: where.named && !where.partly }).toEqual({ ...where, wholly: false });
        }
      }
    }
    // What is printed names each network, and the data say the same.
    const text = renderReached(reached);
    for (const one of reached.filter(({ reach }) => reach).map(reachedToJson)) {
      const { everyoneBut, networks } = one.sources as { everyoneBut: boolean; networks: string[] };
      for (const name of networks) expect(text).toContain(name);
      if (everyoneBut) expect(text).toContain('everyone');
      for (const name of networks) expect(parseAddressText(name).kind).toBe('prefix');
    }
  }
  expect(seen.in).toBeGreaterThan(500);
  expect(seen.out).toBeGreaterThan(500);
});
