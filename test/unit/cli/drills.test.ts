import type { DrillScheduleView } from '../../../api/types';
import type { LedgerEntry } from '../../../domain/ledger';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { rolledBack, service, start } from './rollback-story';

const machine = { name: 'lastgood', proof: 'lastgood', from: 'test' } as const;

/** How one drill ended, so many seconds after the start of the story; each stage took `slow` times its usual. */
function ended(drill: string, second: number, facts: Record<string, unknown> = {}, slow = 1): LedgerEntry {
  const at = start + second * 1_000;
  const times = { sharedAt: at - 9_000, onsetAt: at - 8_000, detectedAt: at - 8_000 + 2_000 * slow };
  const later = {
    decidedAt: times.detectedAt + 100,
    shiftedAt: times.detectedAt + 400,
    restoredAt: times.detectedAt + 900,
  };
  return {
    ...{ service, key: `drill/${drill}`, at, kind: 'drill-ended', incident: null, actor: machine },
    summary: `drill ${drill} ended`,
    facts: {
      drill,
      way: 'mirror',
      version: '1.3',
      outcome: 'passed',
      why: 'found',
      answers: 140,
      ...times,
      ...later,
      ...facts,
    } as never,
  };
}

describe('lastgood drill', () => {
  let rig: ApiRig;
  let schedule: DrillScheduleView | null;
  const put: unknown[] = [];

  beforeEach(async () => {
    const played = await rolledBack();
    schedule = null;
    put.length = 0;
    rig = new ApiRig(played);
    rig.schedules = {
      read: () => Promise.resolve(schedule),
      put: (_service, { everyMs = null, cron = null, request, note }) => {
        put.push({ everyMs, cron, request, note });
        schedule = { everyMs, cron, paused: false, note, next: [start + 86_400_000], last: null, skipped: 0, request };
        return Promise.resolve();
      },
      setPaused: (_service, paused, note) =>
        Promise.resolve(void (schedule = schedule && { ...schedule, paused, note })),
      remove: () => Promise.resolve(void (schedule = null)),
    };
    await rig.listen();
  });
  afterEach(async () => {
    await rig.close();
    removeTemporary();
  });

  it.each([
    ['without anything worse', ['run', service, '--reason', 'r'], 'a drill needs something that is worse'],
    [
      'with a version and the live one',
      ['run', service, '--version', '1.3', '--wrong', '30%', '--reason', 'r'],
      'either --version',
    ],
    [
      'on copies and users',
      ['run', service, '--wrong', '30%', '--live', '--replay', '--reason', 'r'],
      'expected one of them',
    ],
    [
      'with a share that is none',
      ['run', service, '--wrong', '30%', '--share', '120%', '--reason', 'r'],
      '--share: found "120%"',
    ],
    [
      'for a tier that is none',
      ['run', service, '--wrong', '30%', '--expect', 'soon', '--reason', 'r'],
      '--expect: found "soon"',
    ],
    ['without a reason', ['run', service, '--wrong', '30%'], '--reason'],
    [
      'scheduled on users',
      ['schedule', service, '--every', '7d', '--wrong', '30%', '--live', '--reason', 'r'],
      "unknown option '--live'",
    ],
    [
      'scheduled twice',
      ['schedule', service, '--every', '7d', '--cron', '0 3 * * 1', '--reason', 'r'],
      'expected one of --every',
    ],
    ['scheduled each minute', ['schedule', service, '--every', '1m', '--wrong', '30%', '--reason', 'r'], 'everyMs'],
    ['listed without a number', ['list', service, '--limit', '0'], 'a whole number of at least 1'],
  ])('is refused %s, in words, and nothing is asked for', async (_, args, words) => {
    const entries = rig.played.ledger.entries(service).length;
    const { code, err } = await rig.run('drill', ...args);
    expect(code).toBe(64);
    expect(err).toContain(words);
    expect([put.length, rig.played.ledger.entries(service).length]).toEqual([0, entries]);
  });

  it('that the service refuses ends with 1 and its reason', async () => {
    const { code, out } = await rig.run('drill', 'run', service, '--wrong', '30%', '--reason', 'monthly');
    expect([code, out]).toEqual([1, expect.stringMatching(/cooldown|confirm|incident|flight/)]);
  });

  it('is scheduled, shown, paused with a note and removed, each with a name in the ledger', async () => {
    expect((await rig.run('drill', 'schedule', service)).out).toContain('has no schedule of drills');
    const set = await rig.run('drill', 'schedule', service, '--every', '7d', '--wrong', '30%', '--reason', 'weekly');
    expect([set.code, set.out]).toEqual([0, expect.stringContaining('every 7 d')]);
    expect(put).toMatchObject([
      { everyMs: 604_800_000, note: 'weekly', request: { way: 'mirror', degrade: { wrongShare: 0.3 } } },
    ]);
    const paused = await rig.run('drill', 'schedule', service, '--pause', '--note', 'the sale');
    expect(paused.out).toMatch(/paused[^]*note: the sale[^]*no next one/);
    expect(JSON.parse((await rig.run('drill', 'schedule', service, '--json')).out)).toMatchObject({
      schedule: { paused: true },
    });
    expect((await rig.run('drill', 'schedule', service, '--remove', '--reason', 'moved')).out).toContain(
      'has no schedule',
    );
    expect((await rig.run('drill', 'schedule', service, '--pause', '--reason', 'r')).code).toBe(64);
    const acts = rig.played.ledger.entries(service).filter(({ facts }) => facts['act'] === 'drill-schedule');
    expect(acts.map(({ summary }) => summary)).toEqual([
      'alice schedules drills (every 10080 min): weekly',
      'alice pauses the schedule of drills: the sale',
      'alice removes the schedule of drills: moved',
    ]);
  });

  it('is listed with its stages, newest first, and one that was never asked for says so', async () => {
    expect((await rig.run('drill', 'list', service)).out).toContain('no drill is on record');
    for (const entry of [ended('d-1', 100), ended('d-2', 200, { outcome: 'failed', why: 'not found' })])
      await rig.played.ledger.append(entry);
    const unasked = ended('unasked-1', 300, { outcome: 'unasked', why: 'the service could not be asked' });
    await rig.played.ledger.append({
      ...unasked,
      facts: { drill: 'unasked-1', way: 'mirror', outcome: 'unasked', degrade: { wrongShare: 0.3 } },
    });
    const { code, out } = await rig.run('drill', 'list', service);
    expect(code).toBe(0);
    const lines = out.trimEnd().split('\n').slice(1);
    expect(lines.map((line) => line.trim().split(/\s+/)[0])).toEqual(['unasked-1', 'd-2', 'd-1']);
    expect(lines[0]).toMatch(/the live one made worse\s+unasked/);
    expect(lines[2]).toMatch(/passed\s+2 s\s+100 ms\s+300 ms\s+500 ms/);
    expect((await rig.run('drill', 'list', service, '--limit', '1')).out.trimEnd().split('\n')).toHaveLength(2);
  });

  it('is shown with what copies cannot prove, by its id or the newest', async () => {
    await rig.played.ledger.append(ended('d-1', 100));
    const { code, out } = await rig.run('drill', 'show', 'd-1', '--service', service);
    expect([code, out]).toEqual([0, expect.stringMatching(/drill d-1: passed[^]*not proven/)]);
    const { code: unknown, err } = await rig.run('drill', 'show', 'd-9', '--service', service);
    expect([unknown, err]).toEqual([1, expect.stringContaining('known: d-1')]);
  });

  it('is compared with those before it, not with one that was never asked for, and ends with 1 where it got slower', async () => {
    for (const entry of [
      ended('d-1', 100),
      ended('d-2', 200),
      ended('d-3', 300, { slower: 'detect took 8 s, limit 3 s' }, 4),
    ])
      await rig.played.ledger.append(entry);
    await rig.played.ledger.append(ended('unasked-1', 400, { outcome: 'unasked' }));
    const { code, out } = await rig.run('drill', 'compare', '--service', service);
    expect(code).toBe(1);
    expect(out).toMatch(/drill d-3 against 2 before it[^]*detect\s+8 s\s+2 s\s+2 s[^]*limit 3 s/);
    expect((await rig.run('drill', 'compare', 'd-2', '--service', service)).code).toBe(0);
  });
});
