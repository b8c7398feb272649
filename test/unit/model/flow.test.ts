import { decode } from '../../../src/model/decode';
import { evaluate } from '../../../src/model/evaluate';
import { flowOfAnswer, flowOfPacket, opensFlow } from '../../../src/model/flow';
import { NO_STATE } from '../../../src/model/given-state';
import type { Packet } from '../../../src/model/packet';
import { parseRuleset } from '../../../src/parse/parse';
import * as p from '../../support/packet';

function packetOf(...layers: p.Layer[]): Packet {
  const decoded = decode(p.compose(...layers));
  if (decoded.kind !== 'ip') throw new Error(decoded.kind);
  return decoded.packet;
}

const { source4, destination4 } = p.DEFAULTS;
const OUT = p.ipv4({ from: destination4, to: source4 });

test.each([
  ['SYN', 'always', p.tcp()],
  ['SYN with ECN bits', 'always', p.tcp({ flags: ['syn', 'urg'] })],
  ['SYN-ACK', 'never', p.tcp({ flags: ['syn', 'ack'] })],
  ['ACK', 'never', p.tcp({ flags: ['ack'] })],
  ['RST', 'never', p.tcp({ flags: ['rst'] })],
  ['an echo-request', 'always', p.icmp()],
  ['an echo-reply', 'never', p.icmp({ type: 0 })],
  ['UDP', 'unless-answer', p.udp()],
  ['GRE', 'unless-answer', p.raw('payload', 47)],
] as const)('%s opens a flow: %s', (_name, expected, layer) => {
  expect(opensFlow(packetOf(OUT, layer))).toBe(expected);
});

test('a packet and its answer name the same flow, and nothing else does', () => {
  const flow = flowOfPacket(packetOf(OUT, p.tcp({ from: 40000, to: 443 })));
  expect(flowOfAnswer(packetOf(p.ipv4(), p.tcp({ from: 443, to: 40000 })))).toBe(flow);
  expect(flowOfAnswer(packetOf(p.ipv4(), p.tcp({ from: 40000, to: 443 })))).not.toBe(flow);
  expect(flowOfAnswer(packetOf(p.ipv4(), p.udp({ from: 443, to: 40000 })))).not.toBe(flow);
  const ping = flowOfPacket(packetOf(OUT, p.icmp({ rest: 0x00070001 })));
  expect(flowOfAnswer(packetOf(p.ipv4(), p.icmp({ type: 0, rest: 0x00070002 })))).toBe(ping);
  expect(flowOfAnswer(packetOf(p.ipv4(), p.icmp({ type: 0, rest: 0x00080001 })))).not.toBe(ping);
  expect(flowOfAnswer(packetOf(p.ipv4(), p.icmp({ rest: 0x00070001 })))).toBeNull();
});

test('an answer passes in tier 4, an error about a flow in tier 5; a later fragment does not', () => {
  const { ruleset } = parseRuleset('version: 1\n', { file: 'r.yaml' });
  const sent = packetOf(OUT, p.udp({ from: 5000, to: 53 }));
  const flows = new Set([flowOfPacket(sent)!]);
  const answer = p.compose(p.ipv4(), p.udp({ from: 53, to: 5000 }));
  const error = p.compose(p.ipv4(), p.icmp({ type: 3, code: 4, quote: [OUT, p.udp({ from: 5000, to: 53 })] }));
  const fragment = p.compose(p.ipv4({ fragmentOffset: 8 }), p.raw(new Uint8Array(16), 17));
  expect(evaluate(ruleset!, answer, { ...NO_STATE, flows })).toMatchObject({
    tier: '4',
    verdict: 'allow',
    reason: 'flow',
  });
  expect(evaluate(ruleset!, error, { ...NO_STATE, flows })).toMatchObject({
    tier: '5',
    verdict: 'allow',
    reason: 'icmp-error',
  });
  expect(evaluate(ruleset!, fragment, { ...NO_STATE, flows })).toMatchObject({
    tier: '4',
    verdict: 'deny',
    reason: 'fragment',
  });
  expect(evaluate(ruleset!, answer)).toMatchObject({ tier: '9', verdict: 'deny', reason: 'default' });
  expect(evaluate(ruleset!, error)).toMatchObject({ tier: '5', verdict: 'deny', reason: 'icmp-unrelated' });
});
