/** Packets that meet an empty slot are dropped, counted, and shown: nothing the gate decides stays unseen. */
import { SLC_LIMITS } from '../../src/abi/layout.gen';
import { SharedState } from '../../src/load/state';
import { applyRuleset, disable } from '../../src/operate/apply';
import { checkRuleset } from '../../src/operate/check';
import { takeSnapshot } from '../../src/operate/enforcement';
import { testContext } from '../support/context';
import { joinByVeth, Namespace } from '../support/netns';
import { compose, ipv4, udp } from '../support/packet';
import { sendFrames } from '../support/clients';

jest.setTimeout(120_000);

test('a slot emptied behind our back drops everything, and status says why', async () => {
  const edge = Namespace.create('gate-edge');
  const wire = Namespace.create('gate-wire');
  joinByVeth(
    { namespace: edge, name: 'eth0', mac: '02:00:00:00:00:02', addresses: ['192.0.2.10/24'] },
    { namespace: wire, name: 'eth0', mac: '02:00:00:00:00:01', addresses: ['192.0.2.1/24'] },
  );
  const { context, directory, destroy } = await testContext(edge.path);
  try {
    const text = 'version: 1\ninterfaces: [eth0]\ninbound: { default: allow }\n';
    const file = `${directory}/rules.yaml`;
    const { ruleset, image } = checkRuleset(file, text);
    if (!ruleset || !image) throw new Error('the ruleset is sound');
    await applyRuleset(context, { file, text, ruleset, image });
    const frames = [compose(ipv4(), udp()), compose(ipv4(), udp({ to: 53 }))];
    await sendFrames(wire, 'eth0', frames);

    const state = SharedState.find(context.kernel, context.pins)!;
    for (let slot = 0; slot < SLC_LIMITS.PROGRAM_SLOTS; slot++) state.emptySlot(slot);
    state.close();
    await sendFrames(wire, 'eth0', frames);
    await sendFrames(wire, 'eth0', frames);

    const { packets, reasons } = await takeSnapshot(context);
    expect(packets).toEqual({ seen: '6', allowed: '2', denied: '4' });
    expect(reasons.find(({ reason }) => reason === 'gate-empty')).toMatchObject({ verdict: 'deny', packets: '4' });
    await disable(context);
  } finally {
    destroy();
    edge.destroy();
    wire.destroy();
  }
});
