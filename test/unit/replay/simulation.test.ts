import type { ServicePolicy } from '../../../domain/policy';
import type { TelemetryRow } from '../../../gateway/protocol';
import type { Recorded } from '../../../workers/replay/recording';
import { simulate, type ReplayResult } from '../../../workers/replay/simulation';
import { counts, event, policy as shipped, startMs } from '../activities/detection-rows';
import { policyOf } from '../../support/service-world';
import { pushedScore } from '../../support/outside-metric';

const minute = 60_000;
const hour = 60 * minute;
/** Fewer looks at the window than shipped: the test is about what follows from them. */
const detection = { ...shipped, shortWindow: { ...shipped.shortWindow, everyMs: 5 * minute } };

/** A row every 30 s with 60 requests; `failuresAt` says how many of them fail, `versionAt` who answers. */
function rowsUntil(
  hours: number,
  failuresAt: (ms: number) => number = () => 0,
  versionAt: (ms: number) => string = () => '1.2',
): TelemetryRow[] {
  return Array.from({ length: hours * 120 }, (_, index) => {
    const ms = index * 30_000;
    const version = versionAt(ms);
    return counts(index + 1, {
      fromMs: startMs + ms,
      requests: 60,
      failures: failuresAt(ms),
      version,
      epoch: version === '1.2' ? 7 : 8,
    });
  });
}

function replayed(
  rows: TelemetryRow[],
  hours: number,
  change: Partial<ServicePolicy> = {},
  values: Recorded['values'] = new Map(),
): Promise<ReplayResult> {
  return simulate({
    service: 'mail-triage',
    model: 'mail',
    policy: policyOf({ detection, ...change }),
    recorded: { rows, values, notes: [] },
    fromMs: startMs,
    toMs: startMs + hours * hour,
    artifacts: null,
  });
}

const between =
  (from: number, to: number, failures = 24) =>
  (ms: number): number =>
    ms >= from && ms < to ? failures : 0;
const shape = ({ decisions }: ReplayResult) => decisions.map(({ what, verdict, at }) => [what, verdict.metric, at]);

describe('a policy replayed over a record', () => {
  it('does nothing on a good morning', async () => {
    const { decisions, verdicts, segments } = await replayed(rowsUntil(9), 9);
    expect([decisions, verdicts]).toEqual([[], []]);
    expect(segments).toEqual([{ version: '1.2', epoch: 7, fromMs: startMs }]);
  });

  it('rolls back once for one degradation, soon after its onset, and says why', async () => {
    const { decisions, verdicts } = await replayed(rowsUntil(8, between(3 * hour, 4 * hour)), 8);
    expect(decisions).toHaveLength(1);
    const [decision] = decisions;
    expect(decision).toMatchObject({
      what: 'roll-back',
      version: '1.2',
      procedure: 'emergency',
      attribution: 'undetermined',
    });
    expect(decision?.verdict).toMatchObject({ metric: 'error-rate', tier: 'immediate', unit: 'ratio' });
    expect((decision?.at ?? 0) - (startMs + 3 * hour)).toBeLessThan(minute);
    expect(Math.abs((decision?.verdict.onsetMs ?? 0) - (startMs + 3 * hour))).toBeLessThan(minute);
    expect(verdicts[0]?.ended ?? 0).toBeGreaterThan(startMs + 4 * hour);
  });

  it('is the same however often it is replayed, and does not see what comes later', async () => {
    const rows = rowsUntil(6, between(3 * hour, 6 * hour));
    const first = shape(await replayed(rows, 6));
    expect(shape(await replayed(rows, 6))).toEqual(first);
    const cut = rows.filter(({ toMs }) => toMs <= startMs + 3.2 * hour);
    expect(shape(await replayed(cut, 3.2))).toEqual(first);
  });

  it('holds a second degradation inside the cooldown until its end, then opens the breaker with it', async () => {
    const twice = (ms: number): number =>
      between(3 * hour, 3 * hour + 10 * minute)(ms) + between(3 * hour + 25 * minute, 5 * hour)(ms);
    const { decisions, breakerOpenedAt } = await replayed(rowsUntil(6, twice), 6);
    expect(decisions.map(({ what, why }) => [what, why])).toEqual([
      ['roll-back', ''],
      ['hold', 'cooldown'],
      ['roll-back', ''],
    ]);
    const [first, , second] = decisions;
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBe(30 * minute);
    expect(breakerOpenedAt).toBe(second?.at);
  });

  it('moves nothing any more once the breaker is open', async () => {
    const thrice = (ms: number): number =>
      [3, 6, 9].reduce((sum, at) => sum + between(at * hour, at * hour + 20 * minute)(ms), 0);
    const { decisions } = await replayed(rowsUntil(12, thrice), 12);
    expect(decisions.map(({ what, why }) => [what, why])).toEqual([
      ['roll-back', ''],
      ['roll-back', ''],
      ['hold', 'the breaker is open'],
    ]);
  });

  it('lays it at the door of a deploy, and judges the new version by the history of the one before', async () => {
    const versionAt = (ms: number): string => (ms < 3 * hour ? '1.2' : '1.3');
    const { decisions, segments } = await replayed(
      rowsUntil(5, between(3 * hour + 20 * minute, 5 * hour), versionAt),
      5,
    );
    expect(segments.map(({ version }) => version)).toEqual(['1.2', '1.3']);
    expect(decisions).toMatchObject([{ what: 'roll-back', version: '1.3', attribution: 'model' }]);
    expect(decisions[0]?.verdict.baseline).toContain('good periods');
  });

  it('asks where the policy asks, and holds where the cause is unknown and the policy holds then', async () => {
    const rows = rowsUntil(4, between(3 * hour, 4 * hour));
    expect((await replayed(rows, 4, { mode: 'confirm' })).decisions).toMatchObject([{ what: 'ask' }]);
    const undetermined = { immediate: 'hold', 'short-window': 'hold', trend: 'hold' } as const;
    expect((await replayed(rows, 4, { undetermined })).decisions).toMatchObject([
      { what: 'hold', why: 'the cause is undetermined, and the policy holds then' },
    ]);
    expect((await replayed(rows, 4, { mode: 'observe' })).decisions).toMatchObject([
      { what: 'roll-back', why: 'mode observe: it would only be recorded' },
    ]);
  });

  it('would have moved at once where the router had to use its fallback', async () => {
    const rows: TelemetryRow[] = rowsUntil(2);
    const began = event(1, 'fallbackBegan', {
      fromMs: startMs + hour,
      toMs: startMs + hour,
      version: '1.1',
      detail: 'reset',
    });
    rows.splice(120, 0, { ...began, seq: 120.5 });
    expect((await replayed(rows, 2)).decisions).toMatchObject([
      { what: 'roll-back', at: startMs + hour, verdict: { metric: 'live-backend', hard: true } },
    ]);
  });

  it('judges values from outside alone, where no request is on record', async () => {
    const values = Array.from({ length: 720 }, (_, index) => ({
      atMs: startMs + index * minute,
      value: (index < 600 ? 80 : 72) + Math.sin(index * 2.3),
      n: null,
    }));
    const change = { detection: { ...detection, outside: [pushedScore] } };
    const { decisions, segments } = await replayed([], 13, change, new Map([['quality', values]]));
    expect(segments[0]?.version).toBe('recorded');
    expect(decisions).toMatchObject([
      { what: 'roll-back', procedure: 'standard', verdict: { metric: 'quality', unit: 'points' } },
    ]);
    expect((decisions[0]?.at ?? 0) - (startMs + 600 * minute)).toBeLessThan(15 * minute);
  });
});
