import { listenText, readListenAddress } from '../../../src/serve/listen-address';

test.each([
  ['9464', { kind: 'tcp', host: '127.0.0.1', port: 9464, loopback: true }, 'http://127.0.0.1:9464/metrics'],
  ['localhost:9464', { kind: 'tcp', host: '127.0.0.1', port: 9464, loopback: true }, 'http://127.0.0.1:9464/metrics'],
  ['127.9.0.1:1', { kind: 'tcp', host: '127.9.0.1', port: 1, loopback: true }, 'http://127.9.0.1:1/metrics'],
  ['0.0.0.0:9464', { kind: 'tcp', host: '0.0.0.0', port: 9464, loopback: false }, 'http://0.0.0.0:9464/metrics'],
  ['[::1]:65535', { kind: 'tcp', host: '::1', port: 65535, loopback: true }, 'http://[::1]:65535/metrics'],
  ['[::]:80', { kind: 'tcp', host: '::', port: 80, loopback: false }, 'http://[::]:80/metrics'],
  ['/run/m.sock', { kind: 'unix', path: '/run/m.sock' }, '/run/m.sock'],
])('%s', (text, address, url) => {
  expect(readListenAddress(text)).toEqual(address);
  expect(listenText(readListenAddress(text) as never)).toBe(url);
});

test.each([
  '',
  '0',
  '65536',
  ':9464',
  '127.0.0.1',
  '127.0.0.1:',
  '127.0.0.1:0',
  '10.0.0.0/8:80',
  '::1:80',
  '[127.0.0.1]:80',
  '[::1]',
  'example.org:80',
  '010.0.0.1:80',
  'm.sock',
  `/${'x'.repeat(107)}`,
  '/a\0b',
  '127.0.0.1:80 ',
])('%j is refused with a reason', (text) => {
  expect(readListenAddress(text)).toMatch(/./);
  expect(typeof readListenAddress(text)).toBe('string');
});
