import { ApplicationFailure } from '@temporalio/common';
import type { Alert } from '../../domain/alert';
import type { CacheSettled, CacheSettling } from '../../workflows/contract/activities';
import { cacheRepairWorkflowId } from '../../workflows/contract/ids';
import type { OperationInput } from '../../workflows/contract/rollback';
import { clock } from '../../domain/service/messages-for-people';
import { until } from '../support/poll';
import {
  brief,
  inputOf,
  operationBundle,
  quietRuntime,
  Rig,
  service,
  warm,
  Workers,
  World,
} from '../support/operation-rig';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';

jest.setTimeout(60_000);

describe('the output caches of an operation', () => {
  let server: TestDevServer;
  let workers: Workers;
  let rig: Rig;
  let world: World;
  let asked: CacheSettling[];
  let alerts: Alert[];
  /** What each call is answered, in order; the last one for ever. */
  let answers: (Error | CacheSettled['outcome'])[];

  beforeAll(async () => {
    quietRuntime();
    [server] = await Promise.all([startDevServer(), operationBundle()]);
    workers = await Workers.start(server.env);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await server.stop();
  });
  beforeEach(async () => {
    world = new World();
    [asked, alerts, answers] = [[], [], ['set']];
    rig = await Rig.start(workers, {
      ...world.fakes(),
      sendAlert: async (alert) => void alerts.push(alert),
      settleCache: async (input) => {
        asked.push(input);
        const answer = answers.length > 1 ? answers.shift() : answers[0];
        if (answer instanceof Error) throw answer;
        const outcome = answer ?? 'set';
        return world.called('cache', input.cache, {
          outcome,
          strategy: 'version-tagged',
          why: 'as configured',
          tag: '1.2~8-x',
        });
      },
    });
  });
  afterEach(() => rig.stop());

  const responses = { name: 'responses', strategy: 'version-tagged', ttlMs: 600_000 } as const;
  const refused = (): Error =>
    ApplicationFailure.create({ type: 'CacheRefused', message: 'WRONGPASS', nonRetryable: true });
  const withCaches = (part: Parameters<typeof inputOf>[0] = {}): OperationInput =>
    inputOf({ caches: [responses], ...part });
  const repairOf = ({ operation }: OperationInput): string => cacheRepairWorkflowId(service, operation, 'responses');

  it('follow the traffic behind verify and in front of settle, each once, and drop what was left', async () => {
    const input = withCaches({ caches: [responses, { ...responses, name: 'embeddings' }] });
    const reports = await rig.ended(await rig.rollback(input));
    expect(reports.map(brief).slice(-6)).toEqual([
      'succeeded verify 1.2',
      'began caches 1.2',
      'succeeded caches 1.2',
      'began settle 1.2',
      'succeeded settle 1.2',
      'ended settled',
    ]);
    const byName = <T extends { readonly cache?: unknown }>(one: T, other: T): number =>
      String(one.cache).localeCompare(String(other.cache));
    // All at the same time, so in no order.
    const changes = asked.map(({ cache, epoch, version, drop, by }) => ({ cache, epoch, version, drop, by }));
    expect(changes.sort(byName)).toEqual(
      ['embeddings', 'responses'].map((cache) => ({
        cache,
        epoch: 8,
        version: '1.2',
        drop: ['1.3'],
        by: input.operation,
      })),
    );
    const entries = world.ledger.filter(({ facts }) => facts['step'] === 'caches' && facts['cache'] !== undefined);
    expect(entries.map(({ kind, facts: { cache, why } }) => ({ kind, cache, why })).sort(byName)).toEqual([
      { kind: 'step-succeeded', cache: 'embeddings', why: 'as configured' },
      { kind: 'step-succeeded', cache: 'responses', why: 'as configured' },
    ]);
  });

  it('never hold up an emergency: the traffic is moved and verified before a cache is asked', async () => {
    await rig.ended(await rig.rollback(withCaches({ procedure: 'emergency', candidates: [warm('1.2')] })));
    expect(world.calls).toEqual(['shift 1.2', 'verify 1.2', 'cache responses']);
  });

  it('at a deploy keep what is left, for a way back, and begin the new version anew', async () => {
    await rig.ended(await rig.rollback(withCaches({ kind: 'deploy' })));
    expect(asked).toMatchObject([{ version: '1.2', drop: ['1.2'] }]);
  });

  it.each([
    ['refuse', refused, /WRONGPASS/],
    ['do not answer', (): Error => new Error('no connection'), /settleCache did not answer in time|no connection/],
  ])('that %s never hold up the settle: it is told, and a workflow of its own goes on', async (_, fault, why) => {
    answers = [fault()];
    const input = withCaches({ keepPinsMs: 60_000 });
    const reports = await rig.ended(await rig.rollback(input));
    expect(reports.map(brief).slice(-3)).toEqual(['began settle 1.2', 'succeeded settle 1.2', 'ended settled']);
    expect(reports.map(({ what }) => what.type)).not.toContain('waiting');
    const told = world.ledger.filter(({ facts }) => facts['step'] === 'caches');
    expect(told.map(({ kind }) => kind)).toEqual(['step-failed', 'step-succeeded']);
    expect(told[0]?.summary).toMatch(why);
    expect(told[1]?.summary).toContain('it is tried on in the background');
    const repair = rig.child(repairOf(input));
    expect(await repair.describe()).toMatchObject({ type: 'cacheRepairWorkflow', status: { name: 'RUNNING' } });
    const [alert] = await until('the alert', () => alerts.length > 0 && alerts);
    expect(alert).toMatchObject({
      severity: 'ticket',
      title: 'mail-triage: the cache responses may still serve answers of 1.3',
      command: "lastgood caches invalidate mail-triage responses --reason '…'",
    });
    // As long as the pins may bring answers of it into the cache, and then until the last of them is too old.
    const { at } = asked[0] as CacheSettling;
    expect(alert?.users).toContain(`may get those of 1.3 until ${clock(at + 60_000 + 600_000)}`);
  });

  it('follow what a person accepts as it is, too', async () => {
    await rig.stop();
    rig = await Rig.start(workers, {
      ...world.fakes(),
      verifyShift: async () => ({ ok: false, why: 'too few good answers' }),
      settleCache: async (input) => {
        asked.push(input);
        return { outcome: 'set', strategy: 'version-tagged', why: '', tag: null };
      },
    });
    const handle = await rig.rollback(
      withCaches({ safest: 'target', candidates: [warm('1.2')], procedure: 'emergency' }),
    );
    await rig.until('waiting');
    expect(asked).toEqual([]);
    await rig.order(handle, { type: 'accept' });
    await rig.ended(handle);
    expect(asked).toMatchObject([{ version: '1.2', drop: ['1.3'] }]);
  });
});
