import { parseSocketTable } from '../../../src/kernel/sockets';

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000 100 0 0 10 0
   1: 070033C6:0016 320071CB:C350 01 00000000:00000000 02:000A1B2C 00000000     0        0 23456 2 0000 20 4 30 10 -1
   2: 070033C6:0016 320071CB:C351 06 00000000:00000000 03:00001234 00000000     0        0 0 3 0000
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1
   1: 0000000000000000FFFF0000070033C6:0016 0000000000000000FFFF0000320071CB:D431 01 00000000:00000000 00:00000000 00000000     0        0 888 1
   2: B80D0120000000000000000007000000:0016 B80D0120070000000000000050000000:9C40 01 00000000:00000000 00:00000000 00000000     0        0 999 1
   3: 0000000000000000FFFF00000100007F:0035 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 555 1
`;

test('IPv4: addresses, ports, states, inodes', () => {
  expect(parseSocketTable(TCP)).toEqual([
    {
      family: 4,
      state: 'listen',
      local: { words: [0x7f000001], port: 8080 },
      remote: { words: [0], port: 0 },
      inode: 12345,
    },
    {
      family: 4,
      state: 'established',
      local: { words: [0xc6330007], port: 22 },
      remote: { words: [0xcb710032], port: 50000 },
      inode: 23456,
    },
    {
      family: 4,
      state: 'time-wait',
      local: { words: [0xc6330007], port: 22 },
      remote: { words: [0xcb710032], port: 50001 },
      inode: 0,
    },
  ]);
});

test('IPv6, and IPv4 inside of it', () => {
  const [listener, mapped, real, mappedListener] = parseSocketTable(TCP6);
  expect(listener).toMatchObject({ family: 6, state: 'listen', local: { words: [0, 0, 0, 0], port: 80 } });
  expect(mapped).toMatchObject({
    family: 4,
    local: { words: [0xc6330007], port: 22 },
    remote: { words: [0xcb710032], port: 54321 },
  });
  expect(real).toMatchObject({
    family: 6,
    local: { words: [0x20010db8, 0, 0, 7], port: 22 },
    remote: { words: [0x20010db8, 7, 0, 0x50], port: 40000 },
  });
  expect(mappedListener).toMatchObject({ family: 4, local: { words: [0x7f000001] }, remote: { words: [0], port: 0 } });
});

test('lines of another shape are left out', () => {
  expect(parseSocketTable('')).toEqual([]);
  expect(parseSocketTable('nonsense\n 0: 0100007F:1F90 zzzz\n 1: 01:1 00:0 0A a b c d e f\n')).toEqual([]);
});
