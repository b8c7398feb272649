/** Decoding of dumps recorded in a namespace with `lo`, a veth pair `wan`/`far` and routes of several kinds. */
import fc from 'fast-check';
import { decodeInterfaces } from '../../../src/kernel/interfaces';
import recorded from '../../fixtures/netlink/veth-and-routes.json';

function bytes(text: string): Buffer {
  return Buffer.from(text, 'base64');
}
const LINKS = bytes(recorded.links);
const ADDRESSES = bytes(recorded.addresses);
const ROUTES = [bytes(recorded.routes4), bytes(recorded.routes6)];

/** An attribute: length, type, value, padding. */
function attribute(type: number, value: Buffer): Buffer {
  const out = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  out.writeUInt16LE(4 + value.length, 0);
  out.writeUInt16LE(type, 2);
  value.copy(out, 4);
  return out;
}

function word(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}

/** A link message with the given IFLA_XDP attributes. */
function linkWithXdp(...xdp: Buffer[]): Buffer {
  const info = Buffer.alloc(16);
  info.writeInt32LE(7, 4);
  const body = Buffer.concat([info, attribute(3, Buffer.from('eth7\0')), attribute(43 | 0x8000, Buffer.concat(xdp))]);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length, 0);
  header.writeUInt16LE(16, 4);
  return Buffer.concat([header, body]);
}

test('interfaces in order of their index', () => {
  const found = decodeInterfaces(LINKS, ADDRESSES, ROUTES);
  const byName = Object.fromEntries(found.map((one) => [one.name, one]));
  expect(found.map(({ index }) => index)).toEqual(found.map(({ index }) => index).sort((a, b) => a - b));
  expect(byName.lo).toMatchObject({
    index: 1,
    mtu: 65536,
    up: true,
    loopback: true,
    ethernet: true,
    defaultRoute: false,
    xdp: null,
  });
  expect(byName.lo.mac).toBeUndefined();
  expect(byName.lo.kind).toBeUndefined();
  expect(byName.wan).toMatchObject({ mtu: 1400, up: true, loopback: false, kind: 'veth', mac: '02:00:00:00:00:07' });
});

test('addresses with their prefix length; on a point-to-point link the own end', () => {
  const found = decodeInterfaces(LINKS, ADDRESSES, ROUTES);
  const text = (name: string): string[] =>
    found.find((one) => one.name === name)!.addresses.map((address) => `${address.text}/${address.length}`);
  expect(text('lo')).toEqual(['127.0.0.1/8', '::1/128']);
  expect(text('wan')).toEqual(expect.arrayContaining(['198.51.100.7/24', '2001:db8::7/64']));
  expect(text('far')).toContain('10.9.9.1/32');
});

test('only unicast default routes of the main table count', () => {
  const leaving = (routes: readonly Uint8Array[]): string[] =>
    decodeInterfaces(LINKS, ADDRESSES, routes)
      .filter(({ defaultRoute }) => defaultRoute)
      .map(({ name }) => name);
  // `far` has a default route in table 100, and there is an unreachable one.
  expect(leaving(ROUTES)).toEqual(['wan']);
  expect(leaving([ROUTES[0]])).toEqual(['wan']);
  expect(leaving([ROUTES[1]])).toEqual(['wan']);
  expect(leaving([])).toEqual([]);
});

test('the XDP program and its mode', () => {
  const recordedXdp = decodeInterfaces(LINKS, ADDRESSES, ROUTES).filter(({ xdp }) => xdp !== null);
  expect(recordedXdp.map(({ xdp }) => xdp)).toEqual([{ mode: 'generic', programId: recorded.programId }]);

  const xdpOf = (...attributes: Buffer[]): unknown =>
    decodeInterfaces(linkWithXdp(...attributes), Buffer.alloc(0), [])[0].xdp;
  const attached = (mode: number): Buffer => attribute(2, Buffer.from([mode]));
  expect(xdpOf(attached(0))).toBeNull();
  expect(xdpOf(attached(1), attribute(4, word(9)))).toEqual({ mode: 'native', programId: 9 });
  expect(xdpOf(attached(2), attribute(4, word(9)), attribute(6, word(9)))).toEqual({ mode: 'generic', programId: 9 });
  expect(xdpOf(attached(3), attribute(7, word(8)))).toEqual({ mode: 'offload', programId: 8 });
  expect(xdpOf(attached(4), attribute(7, word(8)), attribute(5, word(3)))).toEqual({ mode: 'native', programId: 3 });
});

test('a default route over several next hops leaves through each', () => {
  const hop = (ifindex: number): Buffer => Buffer.concat([Buffer.from([8, 0, 0, 0]), word(ifindex)]);
  const route = Buffer.alloc(12);
  route[0] = 2;
  route[4] = 254;
  route[7] = 1;
  const body = Buffer.concat([route, attribute(9, Buffer.concat([hop(1), hop(3)]))]);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length, 0);
  header.writeUInt16LE(24, 4);
  const found = decodeInterfaces(LINKS, ADDRESSES, [Buffer.concat([header, body])]);
  expect(found.filter(({ defaultRoute }) => defaultRoute).map(({ index }) => index)).toEqual([1, 3]);
});

test('damaged dumps give fewer interfaces, never an exception', () => {
  fc.assert(
    fc.property(
      fc.nat(LINKS.length),
      fc.nat(ADDRESSES.length),
      fc.nat(LINKS.length - 1),
      fc.nat(255),
      (a, b, at, value) => {
        const links = Buffer.from(LINKS.subarray(0, a));
        if (at < a) links[at] = value;
        expect(() => decodeInterfaces(links, ADDRESSES.subarray(0, b), [ROUTES[0].subarray(0, b)])).not.toThrow();
      },
    ),
  );
});
