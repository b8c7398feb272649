import fc from 'fast-check';
import { decodeFilters } from '../../../src/kernel/clsact';

const RTM_NEWTFILTER = 44;

/** An attribute of netlink(7), padded. */
function attribute(type: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc((4 + value.length + 3) & ~3);
  bytes.writeUInt16LE(4 + value.length);
  bytes.writeUInt16LE(type, 2);
  bytes.set(value, 4);
  return bytes;
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`);
const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** A message of a dump of filters. */
function message(priority: number, handle: number, attributes: readonly Buffer[], type = RTM_NEWTFILTER): Buffer {
  const tcmsg = Buffer.alloc(20);
  tcmsg.writeInt32LE(3, 4);
  tcmsg.writeUInt32LE(handle, 8);
  tcmsg.writeUInt32LE(0xfffffff3, 12);
  tcmsg.writeUInt32LE(((priority << 16) | 0x0300) >>> 0, 16);
  const body = Buffer.concat([tcmsg, ...attributes]);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length);
  header.writeUInt16LE(type, 4);
  return Buffer.concat([header, body]);
}

const bpf = (name: string, id: number): Buffer[] => [
  attribute(1, text('bpf')),
  attribute(2, Buffer.concat([attribute(7, text(name)), attribute(11, number(id))])),
];

test('filters by priority, handle, name and program; what tells of a classifier alone is none', () => {
  const dump = Buffer.concat([
    message(2, 0, [attribute(1, text('bpf'))]),
    message(2, 0x511ce1, bpf('slc_gate_clsact:[7]', 7)),
    message(49_152, 0x800, [attribute(1, text('u32')), attribute(2, attribute(7, text('no name of a program')))]),
    message(0xffff, 1, bpf('x', 0xffffffff), RTM_NEWTFILTER + 1),
  ]);
  expect(decodeFilters(dump)).toEqual([
    { kind: 'bpf', priority: 2, handle: 0x511ce1, name: 'slc_gate_clsact:[7]', programId: 7 },
    { kind: 'u32', priority: 49_152, handle: 0x800 },
  ]);
});

test('a dump cut anywhere gives what was whole', () => {
  const dump = message(65_535, 5, bpf('x', 9));
  for (let length = 0; length < dump.length; length++) expect(decodeFilters(dump.subarray(0, length))).toEqual([]);
  expect(decodeFilters(dump)).toEqual([{ kind: 'bpf', priority: 65_535, handle: 5, name: 'x', programId: 9 }]);
});

test('any bytes', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => Array.isArray(decodeFilters(bytes))));
});
