import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { Alert } from '../../domain/alert';
import type { CacheSettled, CacheSettling } from '../../workflows/contract/activities';
import type { CacheRepairInput } from '../../workflows/contract/inputs';
import { operationBundle, quietRuntime, Rig, service, Workers, World } from '../support/operation-rig';
import { startTimeSkipping } from '../support/temporal-servers';

jest.setTimeout(60_000);

describe('the repair of an output cache', () => {
  let env: TestWorkflowEnvironment;
  let workers: Workers;
  let rig: Rig;
  let world: World;
  let asked: { readonly input: CacheSettling; readonly at: number }[];
  let alerts: Alert[];
  let answers: (Error | CacheSettled['outcome'])[];

  beforeAll(async () => {
    quietRuntime();
    [env] = await Promise.all([startTimeSkipping(), operationBundle()]);
    workers = await Workers.start(env);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await env.teardown();
  });
  beforeEach(async () => {
    world = new World();
    [asked, alerts, answers] = [[], [], []];
    const { recordDecisions } = world.fakes();
    const fakes = {
      recordDecisions,
      sendAlert: async (alert: Alert) => void alerts.push(alert),
      settleCache: async (input: CacheSettling): Promise<CacheSettled> => {
        asked.push({ input, at: await env.currentTimeMs() });
        const outcome = answers.shift();
        if (outcome === undefined || outcome instanceof Error) throw outcome ?? new Error('asked once too often');
        return { outcome, strategy: 'version-tagged', why: 'as configured', tag: '1.2~8-x' };
      },
    };
    rig = await Rig.start(workers, fakes, { recorder: false });
  });
  afterEach(() => rig.stop());

  const refused = (type = 'CacheRefused'): Error =>
    ApplicationFailure.create({ type, message: 'it says no', nonRetryable: true });
  async function repaired(operation: string): Promise<CacheRepairInput> {
    const at = await env.currentTimeMs();
    const settling = {
      service,
      cache: 'responses',
      strategy: 'auto',
      epoch: 8,
      version: '1.2',
      drop: ['1.3'],
      at,
    } as const;
    const input = { settling: { ...settling, by: operation }, incident: 'i-1', left: '1.3', why: 'it said no' };
    return { ...input, staleUntil: at + 600_000, attempts: 0 };
  }

  it('asks for the same change after 5, 10, 20 seconds and so on, until the cache follows, and tells both', async () => {
    answers = [refused(), refused(), refused(), 'set'];
    const input = await repaired('i-7');
    await (await rig.repair(input)).result();
    expect(asked.map((each) => each.input)).toEqual(Array(4).fill(input.settling));
    const times = asked.map(({ at }) => at);
    const pauses = times.slice(1).map((at, index) => Math.round((at - (times[index] ?? 0)) / 1_000));
    // A busy machine adds to them; none is shorter.
    [10, 20, 40].forEach((seconds, index) => expect(pauses[index]).toBeGreaterThanOrEqual(seconds - 1));
    expect(alerts.map(({ severity, title }) => [severity, title])).toEqual([
      ['ticket', 'mail-triage: the cache responses may still serve answers of 1.3'],
      ['info', 'mail-triage: the cache responses follows'],
    ]);
    expect(world.ledger).toMatchObject([
      {
        kind: 'step-succeeded',
        incident: 'i-1',
        summary: 'cache responses follows: version-tagged, as configured',
        facts: { step: 'caches', cache: 'responses', version: '1.2', operation: 'i-7' },
      },
    ]);
  });

  it('does not obey a cancel in Temporal: the cache still has to follow', async () => {
    answers = [refused(), refused(), 'set'];
    const handle = await rig.repair(await repaired('i-10'));
    await handle.cancel();
    await handle.result();
    expect(asked).toHaveLength(3);
    expect(world.ledger.map(({ kind }) => kind)).toEqual(['step-succeeded']);
  });

  it('ends where a newer change is in force', async () => {
    answers = ['superseded'];
    await (await rig.repair(await repaired('i-8'))).result();
    expect(world.ledger.map(({ summary }) => summary)).toEqual(['cache responses has a newer change in force']);
  });

  it('gives up a cache that is not configured any more, and the record says so', async () => {
    answers = [refused('CacheUnknown')];
    await (await rig.repair(await repaired('i-9'))).result();
    expect(world.ledger).toMatchObject([{ kind: 'step-failed', facts: { cache: 'responses' } }]);
    expect(world.ledger[0]?.summary).toMatch(/is given up: CacheUnknown: it says no/);
  });
});
