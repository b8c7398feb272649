/** Which lines of the log a report for a ticket shows. */
import type { PacketEvent } from '../../../src/observe/events';
import { isAsked } from '../../../src/operate/ticket';

function refused(source: string, port: string, protocol = 'TCP'): PacketEvent {
  const fields = { SRC: source, DST: '198.51.100.7', PROTO: protocol, DPT: port, SRV: 'red' };
  return {
    ...{ time: '2026-01-01T00:00:00.000Z', word: 'BLOCK' as const },
    fields: Object.entries(fields).map(([key, value]) => ({ key, value })),
  };
}

test.each<[words: string[], source: string, port: string, protocol: string, asked: boolean]>([
  [['8000'], '192.0.2.1', '8000', 'TCP', true],
  [['8000'], '192.0.2.1', '8000', 'UDP', true],
  [['8000'], '192.0.2.1', '8001', 'TCP', false],
  [['8000/tcp'], '192.0.2.1', '8000', 'TCP', true],
  [['8000/tcp'], '192.0.2.1', '8000', 'UDP', false],
  [['8000', '192.0.2.1'], '192.0.2.1', '8000', 'TCP', true],
  [['8000', '192.0.2.1'], '192.0.2.2', '8000', 'TCP', false],
  [['8000', 'from', '192.0.2.0/24'], '192.0.2.77', '8000', 'TCP', true],
  [['8000', '192.0.2.0/24'], '192.0.3.77', '8000', 'TCP', false],
  [['8000', '192.0.2.0/24'], '2001:db8::1', '8000', 'TCP', false],
  [['8000', '2001:db8::/32'], '2001:db8::1', '8000', 'TCP', true],
  [['https'], '192.0.2.1', '443', 'TCP', true],
  [['https'], '192.0.2.1', '80', 'TCP', false],
  [['ssh'], '192.0.2.1', '1022', 'TCP', true],
  [['ssh'], '192.0.2.1', '22', 'TCP', false],
])('%j: from %s to port %s by %s: %s', (words, source, port, protocol, asked) => {
  expect(isAsked(refused(source, port, protocol), words, [1022])).toBe(asked);
});
