import type { temporal } from '@temporalio/proto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { LedgerEntry } from '../../domain/ledger';
import { serviceWorkflowId } from '../../workflows/contract/ids';
import type { MessageName } from '../../workflows/contract/messages';
import { OrphanedLocks } from '../support/orphaned-locks';
import { quietRuntime, serviceBundle, ServiceRig, ServiceWorkers } from '../support/service-rig';
import { day, minute, ServiceWorld } from '../support/service-world';
import { startTimeSkipping } from '../support/temporal-servers';

jest.setTimeout(180_000);

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

const DAYS = 365;
const EVENTS_A_RUN = 400;
/** What one task may add to a run after the limit was passed, and what the run waits for before it ends. */
const EVENTS_OVER = 200;

/** Every change of a whole year of one service, on a clock that is skipped ahead: I4, I9, I13 and I15. */
describe('the service workflow over a year', () => {
  let env: TestWorkflowEnvironment;
  let workers: ServiceWorkers;
  let rig: ServiceRig;
  let world: ServiceWorld;
  let clock: OrphanedLocks;
  let released = 0;

  beforeAll(async () => {
    quietRuntime();
    await serviceBundle();
    env = await startTimeSkipping();
    workers = await ServiceWorkers.start(env);
    world = new ServiceWorld('mail-triage');
    rig = await ServiceRig.start(workers, world, { maxEventsBeforeContinue: EVENTS_A_RUN });
    await rig.until('it has started', ({ declared }) => declared !== null);
    await rig.ready();
    clock = await OrphanedLocks.of(env, serviceWorkflowId(world.service));
  }, 60_000);
  // Every history of the year is replayed here (I13).
  afterAll(async () => {
    await rig.stop();
    await workers.stop();
    await env.teardown();
  }, 120_000);

  it('loses no decision and no timer, and neither state nor history grows with it', async () => {
    for (let today = 1; today <= DAYS; today++) {
      await clock.sleep(day);
      await measuredOk();
      if (today % 14 === 0) await deploys();
      if (today % 30 === 5) await pauses();
      if (today % 91 === 80) await rollsBackTwice();
    }
    await rig.seen('every decision is written', () => gapless(world.ledger));

    const years = { deploys: 26, pauses: 13, rollbacks: 8, openings: 4 };
    expect(count('deploy-decided')).toBe(years.deploys);
    expect(count('deploy-settled')).toBe(years.deploys);
    // The clear at the end of each bad day starts a cooldown too; the second rollback's own is replaced by it.
    expect(count('settled')).toBe(years.rollbacks);
    expect(count('breaker-opened')).toBe(years.openings);
    expect(count('breaker-cleared')).toBe(years.openings);
    expect(count('bake-ended')).toBe(years.deploys);
    expect(entries('standing-changed', 'the pause ended by itself')).toHaveLength(years.pauses);

    const histories = await rig.histories();
    const lives = histories.filter(({ type }) => type === 'serviceWorkflow').map(({ history }) => history.events ?? []);
    expect(lives.length).toBeGreaterThan(10);
    expect(Math.max(...lives.map(({ length }) => length))).toBeLessThanOrEqual(EVENTS_A_RUN + EVENTS_OVER);
    const others = histories.filter(({ type }) => type !== 'serviceWorkflow');
    expect(Math.max(...others.map(({ history }) => history.events?.length ?? 0))).toBeLessThanOrEqual(300);
    // What a run hands to the next is the whole state, as bytes of the message.
    const carried = Math.max(...lives.map(([first]) => carriedBytes(first)));
    expect(carried).toBeGreaterThan(1_024);
    expect(carried).toBeLessThan(128 * 1024);
    process.stdout.write(`a year: ${world.ledger.length} decisions, ${lives.length} runs, state ${carried} bytes\n`);
  });

  const entries = (kind: string, summary = ''): LedgerEntry[] =>
    world.ledger.filter((entry) => entry.kind === kind && entry.summary.includes(summary));
  const count = (kind: string): number => entries(kind).length;

  async function measuredOk(): Promise<void> {
    await rig.say('tiersReported', world.tiers(await rig.now()));
  }

  // Read from the ledger, never by a query: the test server now and then leaves one without an answer for ever.
  /** A new version each time, judged through its bake period. */
  async function deploys(): Promise<void> {
    released += 1;
    const version = `2.${released}`;
    world.versions = [...world.versions, world.stored(version, await rig.now())];
    const settled = await next('deploy-settled', async () => accepted('deploy', { version }));
    await measuredOk();
    const { bake } = changesOf(settled) as { bake: { until: number } };
    happenedAt(await next('bake-ended', () => clock.sleep(day)), bake.until);
  }

  async function pauses(): Promise<void> {
    const paused = await next('operator-act', () => accepted('pause', { forMs: 10 * minute }));
    const { pausedUntil } = changesOf(paused) as { pausedUntil: number };
    happenedAt(await next('standing-changed', () => clock.sleep(day), 'the pause ended by itself'), pausedUntil);
  }

  /** The second rollback of a day opens the breaker; a person clears it. */
  async function rollsBackTwice(): Promise<void> {
    await coolsDown(await next('cooldown-started', rollsBack));
    const opened = await next('breaker-opened', rollsBack);
    const breakerEpoch = opened.facts['breakerEpoch'];
    await coolsDown(await next('cooldown-started', () => accepted('clearBreaker', { breakerEpoch }), 'was cleared'));
    await next('confirmed', measuredOk);
  }

  async function coolsDown(started: LedgerEntry): Promise<void> {
    happenedAt(await next('cooldown-ended', () => clock.sleep(40 * minute)), started.facts['until']);
  }

  async function rollsBack(): Promise<void> {
    const id = `d-${await rig.now()}`;
    await next('settled', () => rig.say('degradationBegan', world.degraded(id, { tier: 'short-window' })));
    await rig.say('degradationEnded', { id, epoch: 0, at: await rig.now(), sentence: 'over' });
  }

  async function accepted(name: MessageName, message: Record<string, unknown>): Promise<void> {
    expect(await rig.act(name, message)).toMatchObject({ decision: 'accepted' });
  }

  /** The next entry of this kind, which what is done brings about. */
  async function next(kind: string, does: () => Promise<void>, summary = ''): Promise<LedgerEntry> {
    const before = entries(kind, summary).length;
    await does();
    await rig.seen(`${kind} ${summary}`, () => entries(kind, summary).length > before);
    return entries(kind, summary).at(-1) as LedgerEntry;
  }
});

function changesOf({ facts }: LedgerEntry): unknown {
  return facts['changes'];
}

/** By the workflow's own clock; a day is skipped at a time, so a timer that was lost or late shows as hours. */
function happenedAt({ at }: LedgerEntry, due: unknown): void {
  expect(due).toEqual(expect.any(Number));
  expect(at).toBeGreaterThanOrEqual(Number(due));
  expect(at).toBeLessThan(Number(due) + minute);
}

function carriedBytes(started: HistoryEvent | undefined): number {
  const payloads = started?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  return payloads.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
}

/** The counter in the keys of the service's own decisions has neither a gap nor a repetition. */
function gapless(ledger: readonly LedgerEntry[]): boolean {
  const own = ledger.map(({ key }) => key).filter((key) => key.startsWith('service/'));
  return own.every((key, index) => key.endsWith(`/${index + 1}`));
}
