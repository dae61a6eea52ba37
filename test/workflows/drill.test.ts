import { Context } from '@temporalio/activity';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { drillWorkflowId } from '../../workflows/contract/ids';
import { quietRuntime, serviceBundle, ServiceRig, ServiceWorkers } from '../support/service-rig';
import { minute, policyOf, ServiceWorld, type Fakes } from '../support/service-world';
import { startTimeSkipping } from '../support/temporal-servers';

jest.setTimeout(120_000);

const drills = { live: true, maxShare: 0.05, maxLiveMs: 10 * minute };
const mirrored = { way: 'mirror', version: '1.3', share: 0.5, forMs: 5 * minute };
const onUsers = { way: 'live', version: '1.3', share: 0.05, forMs: minute };

describe('a drill', () => {
  let env: TestWorkflowEnvironment;
  let workers: ServiceWorkers;
  let rig: ServiceRig;
  let world: ServiceWorld;

  beforeAll(async () => {
    quietRuntime();
    await serviceBundle();
  }, 180_000);
  beforeEach(async () => {
    env = await startTimeSkipping();
    workers = await ServiceWorkers.start(env);
    world = new ServiceWorld('mail-triage');
  }, 180_000);
  afterEach(async () => {
    await rig.stop();
    await workers.stop();
    await env.teardown();
  });

  async function begin(fields: object, fakes: Fakes = {}): Promise<string> {
    rig = await ServiceRig.start(workers, world, { policy: policyOf({ drills }), fakes });
    await rig.until('it has started', ({ declared }) => declared !== null);
    await rig.ready();
    const answer = await rig.act('drill', fields as Record<string, unknown>);
    expect(answer).toMatchObject({ decision: 'accepted' });
    return /drill (\S+) begins/.exec(answer.why)?.[1] ?? '?';
  }

  async function ended(drill: string): Promise<Record<string, unknown>> {
    const end = (): { facts: Record<string, unknown> } | undefined =>
      world.ledger.find(({ kind, facts }) => kind === 'drill-ended' && facts['drill'] === drill);
    await rig.seen(`the end of ${drill}`, () => end() !== undefined, 60_000);
    return end()?.facts ?? {};
  }

  it('goes the whole way on copies: loads, shares, finds, leads back, verifies, stops its copy', async () => {
    const drill = await begin(mirrored);
    const facts = await ended(drill);
    expect(facts).toMatchObject({ outcome: 'passed', way: 'mirror', evidence: 'sha256:e', answers: 40 });
    const shares = world.applied.map(({ share }) => share).filter((share) => share !== undefined);
    expect(shares).toMatchObject([
      { version: '1.3', mirror: true, drill },
      { version: '1.2', mirror: true, drill },
    ]);
    await rig.seen('its copy is stopped', () => ![...world.running].some((name) => name.includes(drill)));
    expect(world.router.record).toMatchObject({ primary: '1.2' });
    expect(world.router.record?.share).toBeUndefined();
    expect(world.calls.filter((call) => /1\.3|drill/.test(call)).slice(0, 4)).toEqual([
      'check-drill mirror',
      'validate 1.3',
      'load 1.3',
      'watch-drill 1.3',
    ]);
    expect(await rig.state()).toMatchObject({ consecutive: 0, cooldownUntil: null, incident: null, drill: null });
  });

  it('probes what users are going to get, and gives it to nobody where it fails', async () => {
    const drill = await begin(onUsers, {
      probeInstance: async ({ version }) =>
        version === '1.3' ? { ok: false, why: 'golden probe 2 is wrong' } : { ok: true, probes: 8, ms: 4 },
    });
    expect(await ended(drill)).toMatchObject({ outcome: 'failed', why: expect.stringMatching(/probe 2 is wrong/) });
    expect(world.applied.some(({ share }) => share !== undefined)).toBe(false);
  });

  it('says why it was refused by what only the outside world knows', async () => {
    const drill = await begin(mirrored, { checkDrill: async () => ({ ok: false, why: 'samples are off' }) });
    expect(await ended(drill)).toMatchObject({ outcome: 'refused', why: 'samples are off' });
    expect(world.alerts.filter(({ title }) => title.includes('drill'))).toEqual([]);
  });

  it.each([
    [40, 'failed', /not found: 40 answers/],
    [3, 'unmeasured', /only 3 answers/],
  ] as const)('that nothing found among %s answers is %s', async (answers, outcome, why) => {
    const at = 1_000;
    const drill = await begin(mirrored, { watchDrill: async () => ({ verdict: null, onsetAt: at, answers, at }) });
    const facts = await ended(drill);
    expect(facts).toMatchObject({ outcome });
    expect(facts['why']).toMatch(why);
    await rig.seen('a ticket', () =>
      world.alerts.some(({ severity, title }) => severity === 'ticket' && title.includes(drill)),
    );
    await rig.seen('the share is off', () => world.router.record?.share === undefined);
  });

  it('found in another tier than it had to be has failed', async () => {
    const drill = await begin({ ...mirrored, expect: 'short-window' });
    expect(await ended(drill)).toMatchObject({
      outcome: 'failed',
      why: expect.stringMatching(/tier immediate, expected short-window/),
    });
  });

  it('gives way to a verdict on users while it is being watched: fence first, then the rollback', async () => {
    const away: Fakes = { watchDrill: async () => Promise.reject(new Error('the worker was killed')) };
    const drill = await begin(onUsers, away);
    await rig.until('it has its share', ({ drill: under }) => under?.phase === 'running');
    await rig.seen('the router has it', () => world.router.record?.share?.drill === drill);
    const { epoch } = world.router.record ?? { epoch: 0 };
    await rig.say('degradationBegan', world.degraded('real'));
    expect(await ended(drill)).toMatchObject({ outcome: 'overtaken' });
    await rig.until(
      'the rollback settled',
      ({ operation, cooldownUntil }) => operation === null && cooldownUntil !== null,
    );
    expect(world.fences[0]).toBeGreaterThan(epoch);
    expect(world.router.record?.share).toBeUndefined();
    expect(world.router.record?.primary).not.toBe('1.2');
    // Its own workflow ends, and what it says then changes nothing.
    await rig.client.getHandle(drillWorkflowId(world.service, drill)).result();
    expect(world.kinds().filter((kind) => kind === 'drill-ended')).toHaveLength(1);
  });

  it('ends when it is stopped, though the worker that watches it hangs and hears of no stop', async () => {
    let release = (): void => undefined;
    const hangs: Fakes = {
      watchDrill: async () => {
        const { heartbeat } = Context.current();
        const beats = setInterval(() => heartbeat(), 200);
        await new Promise<void>((resolve) => (release = resolve));
        clearInterval(beats);
        return { verdict: null, onsetAt: null, answers: 0, at: 0 };
      },
    };
    const drill = await begin(onUsers, hangs);
    await rig.until('it has its share', ({ drill: under }) => under?.phase === 'running');
    await rig.seen('the router has it', () => world.router.record?.share?.drill === drill);
    try {
      await rig.act('cancel', {});
      const over = rig.client
        .getHandle(drillWorkflowId(world.service, drill))
        .result()
        .then(() => 'over');
      const late = new Promise((resolve) => setTimeout(resolve, 10_000, 'it waits for the worker').unref());
      expect(await Promise.race([over, late])).toBe('over');
    } finally {
      release();
    }
  });

  it('whose worker never comes back is ended at its deadline, with a page; its share had ended in the router before', async () => {
    const away: Fakes = { watchDrill: async () => Promise.reject(new Error('the worker was killed')) };
    const drill = await begin(onUsers, away);
    const { drill: under } = await rig.until('it has its share', (state) => state.drill?.phase === 'running');
    await rig.seen('the router has it', () => world.router.record?.share?.drill === drill);
    expect(world.router.record?.share?.until).toBeLessThan(under?.deadlineAt ?? 0);
    await env.sleep((under?.deadlineAt ?? 0) - (await rig.now()) + 1_000);
    expect(await ended(drill)).toMatchObject({ outcome: 'overdue' });
    await rig.seen('a page', () =>
      world.alerts.some(({ severity, title }) => severity === 'page' && title.includes(drill)),
    );
    await rig.seen('the share is off', () => world.router.record?.share === undefined);
    expect(await rig.state()).toMatchObject({ consecutive: 0, cooldownUntil: null, incident: null });
  });
});
