import { setTimeout as sleep } from 'node:timers/promises';
import { LinkCapture } from '../support/capture';
import { httpGet, ping, sendFrames, serve, slowDownload, tcpConnect, udpEcho } from '../support/clients';
import { leftovers } from '../support/netns';
import { compose, hexOf, ipv4, ipv6, tcp, udp, vlan } from '../support/packet';
import {
  CLIENTS,
  type ClientName,
  EDGE,
  EDGE_MAC,
  edgeTopology,
  type EdgeTopology,
  WIRE_LINK,
} from '../support/topology';

// The instruments themselves: without any firewall everything gets through, and the link carries nothing else.
describe('the test network', () => {
  let net: EdgeTopology;

  beforeAll(async () => {
    net = edgeTopology('instruments');
    await serve(net.edge);
  });

  afterAll(() => {
    net.destroy();
    expect(leftovers()).toEqual([]);
  });

  test('an idle link carries no frame', async () => {
    const capture = await LinkCapture.start(net.wire, WIRE_LINK);
    await sleep(1500);
    expect((await capture.stop()).map(({ bytes }) => hexOf(bytes))).toEqual([]);
  });

  test.each(Object.keys(CLIENTS) as ClientName[])('%s reaches every service over both families', async (name) => {
    for (const host of [EDGE.ipv4, EDGE.ipv6]) {
      expect(await tcpConnect(net[name], host, 14141)).toBe('connected');
      const url = host.includes(':') ? `[${host}]` : host;
      expect(await httpGet(net[name], `http://${url}:8000/`)).toBe('hello from port 8000\n');
      expect(await ping(net[name], host, 3)).toBe(3);
      expect(await udpEcho(net[name], host, 9000)).toBe(true);
    }
    expect(await tcpConnect(net[name], EDGE.ipv4, 1)).toBe('refused');
  });

  test('edge sees the clients’ own addresses, one frame for each packet', async () => {
    const capture = await LinkCapture.start(net.edge, EDGE.link, { direction: 'in' });
    expect(await ping(net.home, EDGE.ipv4, 20)).toBe(20);
    const frames = await capture.stop();
    expect(frames).toHaveLength(20);
    expect(frames.every(({ bytes }) => bytes.subarray(26, 30).join('.') === CLIENTS.home.ipv4)).toBe(true);
  });

  test('composed frames arrive as they were composed', async () => {
    const frames = [
      compose(ipv4({ options: [1, 1, 1, 1] }), tcp({ flags: ['ack'] })),
      compose(vlan({ id: 5 }), ipv4(), tcp()),
      compose(ipv6(), udp({ to: 1 })),
    ];
    expect(hexOf(frames[0]).startsWith(EDGE_MAC.replaceAll(':', ''))).toBe(true);
    const capture = await LinkCapture.start(net.wire, WIRE_LINK, { direction: 'out' });
    await sendFrames(net.wire, WIRE_LINK, frames);
    expect((await capture.stop()).map(({ bytes }) => hexOf(bytes))).toEqual(frames.map(hexOf));
  });

  test('a slow download lasts as long as told', async () => {
    const began = Date.now();
    const download = await slowDownload(net.office, EDGE.ipv4, 8000, 2);
    expect(await download.end()).toBe(0);
    expect(download.output).toBe(String(40 * 8192));
    expect(Date.now() - began).toBeGreaterThan(1500);
  });

  test('what was made is gone after destroy, a second one does nothing', () => {
    const other = edgeTopology('short');
    expect(leftovers().filter((name) => name.includes('-short-'))).toHaveLength(5);
    other.destroy();
    other.destroy();
    expect(leftovers().filter((name) => name.includes('-short-'))).toEqual([]);
  });
});
