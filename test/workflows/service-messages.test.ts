import { messageNames, type MessageName } from '../../workflows/contract/messages';
import { rollbackWorkflowId, searchAttributes, searchAttributeTypes } from '../../workflows/contract/ids';
import { NEWEST_RULES } from '../../workflows/contract/inputs';
import {
  failedTasks,
  messageOf,
  quietRuntime,
  serviceBundle,
  ServiceRig,
  ServiceWorkers,
  type History,
} from '../support/service-rig';
import { hour, policyOf, ServiceWorld } from '../support/service-world';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';

jest.setTimeout(60_000);

/** One message of each name, readable; whether it may happen now is the reducer's to say. */
const messages: Readonly<Record<MessageName, Record<string, unknown>>> = {
  rollback: { to: '1.1' },
  deploy: { version: '1.3' },
  drill: { way: 'mirror', version: '1.1', share: 0.1, forMs: 60_000 },
  clearBreaker: { breakerEpoch: 1 },
  approve: { incident: 'i-1', decision: 'approve' },
  intervene: { incident: 'i-1', action: 'retry' },
  cancel: {},
  pause: { forMs: 60_000 },
  resume: {},
  vouch: { version: '1.1' },
  revoke: { version: '1.0' },
  clearQuarantine: { version: '1.1' },
  setMode: { mode: 'confirm' },
  // Refused while the rollback of the first message is in flight.
  detach: {},
  configure: { policy: policyOf({ cooldownMs: hour }), rules: NEWEST_RULES },
};

describe('messages to the service workflow', () => {
  let server: TestDevServer;
  let workers: ServiceWorkers;
  let rig: ServiceRig | undefined;
  let count = 0;

  beforeAll(async () => {
    quietRuntime();
    const attributes = Object.entries(searchAttributeTypes).map(([name, type]) => ({ name, type }));
    [server] = await Promise.all([startDevServer({ searchAttributes: attributes }), serviceBundle()]);
    workers = await ServiceWorkers.start(server.env);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await server.stop();
  });
  afterEach(async () => {
    await rig?.stop();
    rig = undefined;
  });

  async function start(options: Parameters<typeof ServiceRig.start>[2] = {}): Promise<ServiceRig> {
    rig = await ServiceRig.start(workers, new ServiceWorld(`mail-${(count += 1)}`), options);
    await rig.until('it has started', ({ declared }) => declared !== null);
    return rig;
  }

  it('answers an Update of every name with the decision, in the workflow task that took it', async () => {
    const service = await start();
    await service.ready();
    for (const name of messageNames) {
      const answer = await service.act(name, messages[name]);
      expect([name, ['accepted', 'refused']]).toEqual([name, expect.arrayContaining([answer.decision])]);
      expect(answer.why).not.toBe('');
    }
    const [first] = await service.histories();
    const updates = updatesOf(first?.history ?? {});
    expect(updates).toHaveLength(messageNames.length);
    for (const { name, acceptedIn, completedIn } of updates) expect([name, completedIn]).toEqual([name, acceptedIn]);
  });

  it('decides a Signal of every name as it decides the Update', async () => {
    const service = await start();
    await service.ready();
    for (const name of messageNames) await service.say(name, messageOf(messages[name]));
    const { world } = service;
    await service.seen('every message is in the ledger', () =>
      messageNames.every((name) => world.ledger.some((entry) => decidedOn(entry, name))),
    );
    expect(world.ledger.filter(({ kind }) => kind === 'refused').map(({ summary }) => summary)).not.toContainEqual(
      expect.stringContaining('could not be read'),
    );
  });

  it('turns whatever cannot be read into a refusal in the ledger, and goes on', async () => {
    const service = await start();
    const { world } = service;
    const unreadable: readonly [string, unknown][] = [
      ['rollback', undefined],
      ['rollback', 'now!'],
      ['deploy', { version: '../../etc', reason: 'x' }],
      ['pause', { forMs: -1, reason: 'x' }],
      ['configure', { policy: { mode: 'act', detection: {} }, rules: 1, reason: 'x' }],
      ['configure', { policy: policyOf(), rules: 99, reason: 'a rule of the future' }],
      ['setMode', []],
      ['degradationBegan', { id: 'd-1' }],
      ['tiersReported', { tiers: [null], unmeasuredSince: null, environment: [] }],
      ['routeObserved', { observed: { record: { epoch: 99, primary: 'x', pins: [null], backends: {} }, floor: 0 } }],
      ['stepReported', { operation: 'deploy-1', no: 1, at: 1e300, what: { type: 'ended' } }],
      ['retirementEnded', null],
    ];
    for (const [name, payload] of unreadable) await service.say(name, payload);
    const refusals = (): string[] =>
      world.ledger.filter(({ kind }) => kind === 'refused').map(({ summary }) => summary);
    await service.seen('every one is in the ledger', () => refusals().length === unreadable.length);
    expect(refusals().map((summary) => summary.split(' ')[2])).toEqual(unreadable.map(([name]) => name));
    expect(world.alerted()).toContain('a message rollback could not be read');

    await expect(service.act('pause', { forMs: 'soon' })).rejects.toThrow();
    expect((await service.act('pause', { forMs: 60_000 })).decision).toBe('accepted');
    const [first] = await service.histories();
    expect(failedTasks(first?.history ?? {})).toEqual([]);
  });

  it('does a message once, however often and in whatever form it comes', async () => {
    const service = await start();
    const message = messageOf({ version: '1.1', requestId: 'vouch-1' });
    const answers = await Promise.all([1, 2, 3].map(() => service.act('vouch', message)));
    await service.say('vouch', message);
    await service.say('vouch', message);
    expect((await service.act('vouch', message)).repeated).toBe(true);
    expect(answers.map(({ decision }) => decision)).toEqual(['accepted', 'accepted', 'accepted']);
    expect(answers.filter(({ repeated }) => !repeated)).toHaveLength(1);
    await service.seen('it is in the ledger', () => service.world.summaries().includes('vouches for 1.1'));
    expect(service.world.ledger.filter(({ summary }) => summary.startsWith('vouches'))).toHaveLength(1);
  });

  it('remembers what it answered when it continues as new, and decides a repeated message once', async () => {
    const service = await start();
    expect((await service.act('vouch', { version: '1.1', requestId: 'vouch-1' })).repeated).toBe(false);
    const { runId } = await service.handle.describe();
    await service.act('configure', { policy: policyOf({ cooldownMs: 7 }), rules: NEWEST_RULES });
    await service.continued(runId);
    const again = await service.act('vouch', { version: '1.1', requestId: 'vouch-1' });
    expect(again).toMatchObject({ decision: 'accepted', repeated: true });
    expect((await service.state()).policy.cooldownMs).toBe(7);
  });

  it('takes a flood of signals without losing what changes something, and without a failed workflow task', async () => {
    const service = await start();
    const { world } = service;
    const at = await service.now();
    const flood = Array.from({ length: 750 }, (_, index) =>
      index % 3 === 0
        ? service.say('rollback', `nonsense ${index}`)
        : service.say('tiersReported', world.tiers(at + index)),
    );
    const vouch = service.act('vouch', { version: '1.1' });
    await Promise.all([...flood, service.say('vouch', messageOf({ version: '1.0' })), vouch]);
    expect((await vouch).decision).toBe('accepted');
    await service.seen('both are vouched for', () => /vouches for 1\.0/.test(world.summaries()));
    await service.say('tiersReported', world.tiers(at + 10_000));
    const state = await service.until('the newest reading counts', ({ tiers }) => tiers[0]?.at === at + 10_000);
    expect(state.versions.filter(({ human }) => human !== null).map(({ version }) => version)).toEqual(['1.0', '1.1']);
    // 250 unreadable ones are a ledger entry and an alert each only as long as few of them come at once.
    expect(world.alerts.length).toBeLessThan(20);
    const [first] = await service.histories();
    expect(failedTasks(first?.history ?? {})).toEqual([]);
  });

  it('looks a version up that was imported a moment ago, before it calls it unknown', async () => {
    const service = await start();
    expect((await service.act('deploy', { version: '9.9' })).why).toContain('not in the artifact store');
    service.world.versions = [...service.world.versions, service.world.stored('1.4', 9_000)];
    expect((await service.act('deploy', { version: '1.4' })).decision).toBe('accepted');
    await service.seen('1.4 serves', () => service.world.router.record?.primary === '1.4');
  });

  it('is not ended by a cancel in Temporal: it refuses, says so, and goes on', async () => {
    const service = await start();
    await service.handle.cancel();
    await service.seen('the refusal is in the ledger', () =>
      service.world.summaries().includes('a cancel in Temporal'),
    );
    expect((await service.act('vouch', { version: '1.1' })).decision).toBe('accepted');
    expect((await service.act('deploy', { version: '9.9' })).decision).toBe('refused');
  });

  it('shows its state to the Temporal UI: search attributes and current details', async () => {
    const service = await start({ searchAttributes: Object.values(searchAttributes) });
    await service.act('pause', { forMs: hour });
    await service.seen('the pause is recorded', () => service.world.summaries().includes('pause for'));
    const { searchAttributes: shown } = await service.handle.describe();
    expect(shown).toMatchObject({
      LastgoodService: [service.world.service],
      LastgoodState: ['paused'],
      LastgoodVersion: ['1.2'],
      LastgoodIncident: ['none'],
    });
    const metadata = await service.handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
    expect(metadata.currentDetails).toContain('| live | 1.2, epoch 7');
  });

  it('starts its children under the same search attributes, and every call and timer says what it is for', async () => {
    const service = await start({ searchAttributes: Object.values(searchAttributes) });
    await service.ready();
    const { reference } = await service.act('deploy', { version: '1.3' });
    await service.until('1.3 is live', ({ operation, bake }) => operation === null && bake !== null);
    const child = service.client.getHandle(rollbackWorkflowId(service.world.service, reference ?? ''));
    expect((await child.describe()).searchAttributes).toMatchObject({
      LastgoodService: [service.world.service],
      LastgoodVersion: ['1.3'],
      LastgoodIncident: ['none'],
    });
    await service.seen('a copy is retired', () => service.world.kinds().includes('instance-retired'));
    for (const { id, history } of await service.histories())
      for (const {
        userMetadata,
        activityTaskScheduledEventAttributes,
        timerStartedEventAttributes,
      } of history.events ?? [])
        if (activityTaskScheduledEventAttributes || timerStartedEventAttributes) {
          const what = activityTaskScheduledEventAttributes?.activityType?.name ?? 'timer';
          expect([id, what, Boolean(userMetadata?.summary)]).toEqual([id, what, true]);
        }
  });

  it('leaves out search attributes that are not registered', async () => {
    const service = await start({ searchAttributes: [] });
    expect((await service.act('pause', { forMs: hour })).decision).toBe('accepted');
  });
});

function decidedOn(
  entry: { kind: string; summary: string; facts: Readonly<Record<string, unknown>> },
  name: string,
): boolean {
  if (entry.kind === 'refused') return entry.summary.startsWith(`${name} by`);
  if (name === 'rollback') return entry.kind === 'rollback-decided';
  if (name === 'configure') return entry.kind === 'configured';
  return entry.facts['act'] === name;
}

/** The workflow task in which each Update was accepted and the one in which it was completed. */
function updatesOf({ events }: History): { name: string; acceptedIn: string; completedIn: string }[] {
  const accepted = new Map<string, { name: string; acceptedIn: string }>();
  const updates: { name: string; acceptedIn: string; completedIn: string }[] = [];
  let task = '';
  for (const event of events ?? []) {
    if (event.workflowTaskCompletedEventAttributes) task = String(event.eventId);
    const {
      workflowExecutionUpdateAcceptedEventAttributes: begin,
      workflowExecutionUpdateCompletedEventAttributes: end,
    } = event;
    if (begin)
      accepted.set(begin.protocolInstanceId ?? '', {
        name: begin.acceptedRequest?.input?.name ?? '',
        acceptedIn: task,
      });
    const known = accepted.get(end?.meta?.updateId ?? '');
    if (known) updates.push({ ...known, completedIn: task });
  }
  return updates;
}
