import { parseAddressText } from '../../../src/parse/address';
import { formatPrefix } from '../../../src/model/prefix';

describe('parseAddressText', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['255.255.255.255', '255.255.255.255'],
    ['10.0.0.0/255.0.0.0', '10.0.0.0/8'],
    ['1.2.3.4/255.255.255.255', '1.2.3.4'],
    ['0.0.0.0/0.0.0.0', '0.0.0.0/0'],
    ['2001:db8::/32', '2001:db8::/32'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['::', '::'],
    ['::/0', '::/0'],
    ['::1', '::1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
  ])('reads %s as %s', (text, expected) => {
    const reading = parseAddressText(text);
    expect(reading).toMatchObject({ kind: 'prefix' });
    if (reading.kind === 'prefix') {
      expect(formatPrefix(reading.prefix)).toBe(expected);
      expect(reading.warning).toBeUndefined();
    }
  });

  test.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['192.0.2.129/25', '192.0.2.128/25'],
    ['10.0.0.1/255.255.255.0', '10.0.0.0/24'],
    ['2001:db8::1/64', '2001:db8::/64'],
    ['ffff::1/1', '8000::/1'],
  ])('clears the host bits of %s and says so', (text, network) => {
    const reading = parseAddressText(text);
    if (reading.kind !== 'prefix') throw new Error('refused');
    expect(formatPrefix(reading.prefix)).toBe(network);
    expect(reading.warning).toMatchObject({ code: 'parse/host-bits', severity: 'warning' });
    expect(reading.warning!.message).toContain(network);
    expect(reading.warning!.hint).toContain(network);
  });

  test.each([
    ['', 'parse/address', /any/],
    ['::ffff:10.0.0.1', 'parse/mapped-address', /write 10\.0\.0\.1$/],
    ['::ffff:a00:1', 'parse/mapped-address', /write 10\.0\.0\.1$/],
    ['::ffff:10.0.0.0/104', 'parse/mapped-address', /write 10\.0\.0\.0\/8$/],
    ['::10.0.0.1', 'parse/mapped-address', /write 10\.0\.0\.1$/],
    ['fe80::1%eth0', 'parse/zone-id', /write fe80::1$/],
    ['fe80::%eth0/64', 'parse/zone-id', /write fe80::\/64$/],
    ['010.0.0.1', 'parse/octal-address', /write 10\.0\.0\.1; .* octal sees 8\.0\.0\.1/],
    ['192.0.2.08', 'parse/octal-address', /write 192\.0\.2\.8/],
    ['64:ff9b::192.0.02.1', 'parse/octal-address', /./],
    ['10.1', 'parse/short-address', /10\.1\.0\.0\/16 .* 10\.0\.0\.1 /],
    ['10.1/16', 'parse/short-address', /10\.1\.0\.0\/16/],
    ['127', 'parse/short-address', undefined],
    ['167772161', 'parse/short-address', /10\.0\.0\.1/],
    ['0x0a.0.0.1', 'parse/short-address', /write 10\.0\.0\.1/],
    ['0x7f000001', 'parse/short-address', /write 127\.0\.0\.1/],
    ['10.0.0.0/33', 'parse/prefix-length', /write \/32/],
    ['10.0.0.0/', 'parse/prefix-length', /0 to 32/],
    ['10.0.0.0/08', 'parse/prefix-length', /write \/8/],
    ['10.0.0.0/-1', 'parse/prefix-length', /0 to 32/],
    ['10.0.0.0/8/8', 'parse/prefix-length', /0 to 32/],
    ['2001:db8::/129', 'parse/prefix-length', /write \/128/],
    ['10.0.0.0/255.0.255.0', 'parse/netmask', undefined],
    ['10.0.0.0/0.255.255.255', 'parse/netmask', /\/8$/],
    ['10.0.0.0/256.0.0.0', 'parse/netmask', /length/],
    ['192.0.2.1-192.0.2.6', 'parse/address-range', /192\.0\.2\.1, 192\.0\.2\.2\/31, 192\.0\.2\.4\/31, 192\.0\.2\.6$/],
    ['0.0.0.0-255.255.255.255', 'parse/address-range', /write 0\.0\.0\.0\/0$/],
    ['2001:db8::-2001:db8::ff', 'parse/address-range', /write 2001:db8::\/120$/],
    ['192.0.2.9-192.0.2.1', 'parse/address-range', undefined],
    ['192.0.2.1-2001:db8::', 'parse/address-range', undefined],
    ['256.0.0.1', 'parse/address', undefined],
    ['1.2.3.4.5', 'parse/address', /four numbers/],
    ['1.2.3.4.', 'parse/address', /four numbers/],
    ['example.com', 'parse/address', /sets/],
    ['[2001:db8::1]', 'parse/address', /write 2001:db8::1 without/],
    ['192.0.2.1:22', 'parse/address', /write 192\.0\.2\.1 … port 22/],
    ['00:11:22:33:44:55', 'parse/address', /IP/],
    ['1::2::3', 'parse/address', /::/],
    ['1:2:3:4:5:6:7:8:9', 'parse/address', /::/],
    ['12345::', 'parse/address', /::/],
    [':::', 'parse/address', /::/],
    [' 10.0.0.1', 'parse/address', undefined],
    ['１０.0.0.1', 'parse/address', undefined],
    ['10.0.0.1\u200b', 'parse/address', undefined],
    ['1e1.0.0.1', 'parse/address', /sets/],
  ])('refuses %j with %s', (text, code, hint) => {
    const reading = parseAddressText(text);
    if (reading.kind !== 'refused') throw new Error('read as a prefix');
    expect(reading.problem).toMatchObject({ code, severity: 'error' });
    if (hint) expect(reading.problem.hint).toMatch(hint);
    else expect(reading.problem.hint).toBeUndefined();
  });
});
