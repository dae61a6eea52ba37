import { recoverState } from '../../../activities/recover-state';
import { MemoryLedger } from '../../support/memory-ledger';
import { SERVICE, serviceWithStandby, ServiceSimulator } from '../../support/service-simulator';

function ended(simulator: ServiceSimulator) {
  const last = simulator.effects.at(-1);
  if (last?.type !== 'end') throw new Error(`the last effect is ${last?.type}`);
  return last.input;
}

test('the last decision names who serves on, asks for a record that needs nobody, and nothing is decided after it', () => {
  const simulator = serviceWithStandby();
  const { declared, nextEpoch } = simulator.state;
  const answer = simulator.say('detach', {});
  expect(answer).toMatchObject({ decision: 'accepted' });
  const { route } = ended(simulator);
  expect(route).toMatchObject({ primary: declared?.primary, epoch: nextEpoch, pins: [] });
  expect(route?.fallback).toBeUndefined();
  expect(route?.detached).toBeDefined();
  expect(Object.keys(route?.backends ?? {})).toEqual([declared?.primary]);
  expect(simulator.ledger.at(-1)).toMatchObject({ kind: 'detached', facts: { stage: 'decided', epoch: route?.epoch } });
});

test('by force during a rollback its grant is over first, and the record is above it', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const operation = simulator.state.operation;
  if (!operation) throw new Error('no rollback began');
  expect(simulator.say('detach', {})).toMatchObject({ decision: 'refused' });
  const from = simulator.effects.length;
  expect(simulator.say('detach', { force: true })).toMatchObject({ decision: 'accepted' });
  const effects = simulator.effects.slice(from).map(({ type }) => type);
  expect(effects.indexOf('fence')).toBeLessThan(effects.indexOf('end'));
  expect(effects).toEqual(expect.arrayContaining(['fence', 'order', 'end']));
  expect(ended(simulator).route?.epoch).toBeGreaterThan(operation.epochs.to);
});

test('a service that is attached later begins anew, above every epoch; what is known of versions stays', async () => {
  const simulator = serviceWithStandby();
  simulator.say('revoke', { version: '1.0' });
  simulator.say('detach', {});
  const epoch = ended(simulator).route?.epoch ?? 0;
  const ledger = new MemoryLedger();
  for (const entry of simulator.ledger) await ledger.append(entry);
  const found = await recoverState({ ledger })(SERVICE);
  expect(found).toMatchObject({
    route: null,
    standby: null,
    mode: null,
    operation: null,
    bake: null,
    highestEpoch: epoch,
  });
  expect(found?.versions.find(({ version }) => version === '1.0')).toMatchObject({ standing: 'revoked' });
});

test('what somebody else wrote to the router is what serves: the last record is made of it, as resume would', () => {
  const simulator = serviceWithStandby();
  const { declared } = simulator.state;
  if (!declared) throw new Error('nothing is declared');
  const copy = { address: 'http://10.0.0.9:9', instance: `${SERVICE}@1.3#hand`, digest: 'sha256:hand' };
  const foreign = { ...declared, epoch: declared.epoch + 5, primary: '1.3', backends: { '1.3': [copy] } };
  simulator.router = { ...simulator.router, record: foreign };
  simulator.look();
  expect(simulator.state.pausedWhy).not.toBeNull();
  expect(simulator.say('detach', {})).toMatchObject({ decision: 'accepted' });
  const { route, basis } = ended(simulator);
  expect(route).toMatchObject({ primary: '1.3', backends: { '1.3': [copy] } });
  expect(route?.epoch).toBeGreaterThan(foreign.epoch);
  expect(basis).toBe(foreign.epoch);
});

test('an open incident is over with it, durable before the last decision, and keeps no copy for later', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  simulator.runOperation();
  const { incident } = simulator.state;
  expect(incident?.phase).toBe('confirming');
  const from = simulator.effects.length;
  expect(simulator.say('detach', { force: true })).toMatchObject({ decision: 'accepted' });
  expect(simulator.state).toMatchObject({ incident: null, confirming: null });
  expect(simulator.ledger.slice(-2)).toMatchObject([
    { kind: 'incident-ended', incident: incident?.id },
    { kind: 'detached', incident: null },
  ]);
  expect(simulator.effects.slice(from).map(({ type }) => type)).not.toContain('retire');
});

test('a copy that is made ready is not waited for, neither a standby nor that of a host that joins', () => {
  const simulator = serviceWithStandby();
  const joining = { host: 'there', version: '1.0', instance: `${SERVICE}@1.0#s9`, until: simulator.now + 60_000 };
  simulator.state = { ...simulator.state, joining };
  const from = simulator.effects.length;
  simulator.say('detach', {});
  expect(simulator.effects.slice(from)).toContainEqual({ type: 'cancel-preparation', instance: joining.instance });
});

test('the decision has everything that the detachment needs, also where nobody serves', () => {
  const serving = serviceWithStandby();
  serving.say('detach', {});
  const { route, epoch, basis } = ended(serving);
  expect(serving.ledger.at(-1)?.facts).toMatchObject({ route, epoch, basis });
  const empty = new ServiceSimulator();
  empty.say('detach', {});
  const input = ended(empty);
  expect(input).toMatchObject({ route: null });
  expect(input.epoch).toBeGreaterThan(0);
  expect(empty.ledger.at(-1)?.facts).toMatchObject({ route: null, epoch: input.epoch });
});
