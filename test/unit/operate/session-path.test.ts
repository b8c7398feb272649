import type { Interface } from '../../../src/kernel/interfaces';
import { mayPass } from '../../../src/operate/session-path';
import { parseSshConnection } from '../../../src/operate/ssh-connection';
import { parseAddressText } from '../../../src/parse/address';

function device(index: number, address: string, length: number, gateway = false): Interface {
  const reading = parseAddressText(address);
  if (reading.kind === 'refused') throw new Error(address);
  const { family, words } = reading.prefix;
  return {
    index,
    name: `eth${index}`,
    mtu: 1500,
    up: true,
    loopback: false,
    ethernet: true,
    addresses: [{ family, words, text: address, length }],
    defaultRoute: gateway,
    gateway,
    xdp: null,
  };
}

const management = device(1, '10.0.0.5', 24);
const wan = device(2, '198.51.100.7', 24, true);
const session = (client: string, server: string) => parseSshConnection(`${client} 40000 ${server} 22`)!;

test.each([
  ['a neighbour on the management network', '10.0.0.9', '10.0.0.5', false],
  ['a neighbour on the filtered one, whatever address it uses', '198.51.100.9', '10.0.0.5', true],
  ['a neighbour, to the filtered address', '10.0.0.9', '198.51.100.7', true],
  ['the internet, to the filtered address', '203.0.113.9', '198.51.100.7', true],
  ['the internet, to the management address: it came by some gateway', '203.0.113.9', '10.0.0.5', true],
  ['an address that no interface has, as behind a proxy', '10.0.0.9', '192.0.2.1', true],
  ['the other family', '2001:db8::1', '2001:db8::2', true],
])('%s', (_, client, server, expected) => {
  expect(mayPass(session(client, server), [management, wan], new Set([wan.index]))).toBe(expected);
});

test('without a gateway behind it a filtered interface carries its neighbours alone', () => {
  const inner = device(3, '192.168.7.1', 24);
  const all = [management, wan, inner];
  expect(mayPass(session('203.0.113.9', '198.51.100.7'), all, new Set([inner.index]))).toBe(false);
  expect(mayPass(session('192.168.7.9', '198.51.100.7'), all, new Set([inner.index]))).toBe(true);
});
