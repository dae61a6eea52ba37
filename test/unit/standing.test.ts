import { standingOf } from '../../workers/decisions';
import { serviceWithStandby, type ServiceSimulator } from '../support/service-simulator';

/** What a shift reads of the service's decisions immediately before it moves anybody. */
async function read(simulator: ServiceSimulator): ReturnType<ReturnType<typeof standingOf>['read']> {
  const { state } = simulator;
  const status = async (): Promise<never> => ({ state }) as never;
  return await standingOf({ status }).read(state.service);
}

test('an operation in flight holds its grant, one that is being stopped has lost it before any fence', async () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const { operation } = simulator.state;
  expect((await read(simulator)).grant).toMatchObject({ from: operation?.epochs.from, to: operation?.epochs.to });
  simulator.say('cancel', {});
  expect(simulator.state.operation?.id).toBe(operation?.id);
  expect((await read(simulator)).grant).toBeNull();
});

test('a disagreement about the route, and who was left, reach the last look', async () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  simulator.runOperation();
  const { declared } = simulator.state;
  if (!declared) throw new Error('nothing is live');
  simulator.router = { ...simulator.router, record: { ...declared, epoch: 9_000 } };
  simulator.look();
  const seen = await read(simulator);
  expect(seen.pausedWhy).toMatch(/epoch 9000/);
  expect(seen.unusable).toMatchObject([{ version: '1.1', standing: 'quarantined' }]);
});
