/** Packets that meet an empty slot are dropped, counted, and shown: nothing the gate decides stays unseen. */
import { SLC_LIMITS } from '../../src/abi/layout.gen';
import { SharedState } from '../../src/load/state';
import { EdgeHost, NEIGHBOUR } from '../support/edge-host';
import { compose, ipv4, udp } from '../support/packet';
import { sendFrames } from '../support/clients';

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('gate');
  host.write('rules.yaml', 'version: 1\ninterfaces: [eth0]\ninbound: { default: allow }\n');
  await host.must('apply');
});

afterEach(() => host.close());

test('a slot emptied behind our back drops everything, and status says why', async () => {
  const frames = [compose(ipv4(), udp()), compose(ipv4(), udp({ to: 53 }))];
  await sendFrames(host.wire, NEIGHBOUR.link, frames);

  const { kernel, pins } = host.context();
  const state = SharedState.find(kernel, pins)!;
  for (let slot = 0; slot < SLC_LIMITS.PROGRAM_SLOTS; slot++) state.emptySlot(slot);
  state.close();
  await sendFrames(host.wire, NEIGHBOUR.link, frames);
  await sendFrames(host.wire, NEIGHBOUR.link, frames);

  const { packets, reasons } = await host.status();
  expect(packets).toEqual({ seen: '6', allowed: '2', denied: '4' });
  expect(reasons.find(({ reason }) => reason === 'gate-empty')).toMatchObject({ verdict: 'deny', packets: '4' });
});
