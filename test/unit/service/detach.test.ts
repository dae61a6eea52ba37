import { recoverState } from '../../../activities/recover-state';
import { MemoryLedger } from '../../support/memory-ledger';
import { SERVICE, serviceWithStandby, type ServiceSimulator } from '../../support/service-simulator';

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
