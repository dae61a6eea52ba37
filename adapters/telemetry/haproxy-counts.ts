import type { CountsRow } from '../../gateway/protocol';
import { HaproxyAnswerRefused } from '../traffic/haproxy/errors';
import { hopName } from '../traffic/haproxy/layout';
import type { StoredRoute } from '../traffic/haproxy/stored-route';

/** Running totals of one version of one service; HAProxy counts from the start of each worker. */
export interface Totals {
  readonly requests: number;
  readonly failures: number;
  readonly clientErrors: number;
  /** Sent to another server after one gave no answer. */
  readonly repeated: number;
  /** Of the failures those that no server answered: HAProxy's own 502, 503 and 504. */
  readonly unanswered: number;
}

export const none: Totals = { requests: 0, failures: 0, clientErrors: 0, repeated: 0, unanswered: 0 };
const statusColumns = ['hrsp_1xx', 'hrsp_2xx', 'hrsp_3xx', 'hrsp_4xx', 'hrsp_5xx', 'hrsp_other'] as const;

/**
 * Totals by version of one worker.
 * @param answer of `show stat -1 6 -1`: backends and servers, comma-separated, the first line names the columns
 */
export function totalsOf(answer: string, service: string, lanes: StoredRoute['lanes']): Map<string, Totals> {
  const [head = '', ...rows] = answer.split('\n');
  const columns = head.replace(/^# /, '').split(',');
  const at = new Map(columns.map((name, index) => [name, index]));
  for (const needed of ['pxname', 'svname', 'wredis', 'stot', ...statusColumns]) {
    if (!at.has(needed))
      throw new HaproxyAnswerRefused(`show stat: found no column ${needed} in ${head.slice(0, 200)}`);
  }
  const whole = new Map<number, Totals>();
  const byServers = new Map<number, number>();
  const steppedIn = new Map<number, Totals>();
  const lanePattern = new RegExp(`^lg_${service}_(\\d+)$`);
  for (const row of rows) {
    const fields = row.split(',');
    const text = (name: string): string => fields[at.get(name) ?? -1] ?? '';
    const number = (name: string): number => Number(text(name));
    const lane = Number(lanePattern.exec(text('pxname'))?.[1] ?? 0);
    if (lane === 0) continue;
    const slot = text('svname');
    const totals: Totals = {
      requests: statusColumns.reduce((sum, name) => sum + number(name), 0),
      failures: number('hrsp_5xx'),
      clientErrors: number('hrsp_4xx'),
      repeated: number('wredis'),
      unanswered: 0,
    };
    // The whole lane also has what no server answered: HAProxy's own 502, 503 and 504.
    if (slot === 'BACKEND') whole.set(lane, totals);
    else byServers.set(lane, (byServers.get(lane) ?? 0) + totals.failures);
    if (slot.startsWith('b')) steppedIn.set(lane, sum(steppedIn.get(lane) ?? none, totals));
  }
  const result = new Map<string, Totals>();
  const add = (version: string | null | undefined, totals: Totals): void => {
    if (version !== null && version !== undefined) result.set(version, sum(result.get(version) ?? none, totals));
  };
  for (const [lane, totals] of whole) {
    const second = steppedIn.get(lane) ?? none;
    const unanswered = Math.max(0, totals.failures - (byServers.get(lane) ?? 0));
    add(lanes[lane]?.version, difference({ ...totals, unanswered }, { ...second, repeated: 0 }));
    add(lanes[lane]?.steppingIn, { ...second, repeated: 0 });
  }
  return result;
}

/**
 * Passes that the entrance of a repeatable service has made once more, because no server had answered: each is a request of its
 * own in the totals. What its one server was given less what came in; HAProxy 2.6 counts such a retry twice in `wretr`.
 */
export function repeatsOf(answer: string, service: string): number {
  const [head = '', ...rows] = answer.split('\n');
  const stot = head.replace(/^# /, '').split(',').indexOf('stot');
  const of = (slot: string): number =>
    Number(rows.find((row) => row.startsWith(`${hopName(service)},${slot},`))?.split(',')[stot] ?? 0);
  return Math.max(0, of('route') - of('BACKEND'));
}

/**
 * What grew between two looks, as users saw it: a pass that nobody answered and that was made again is no request and no
 * failure of its own, it is a repetition. By the order of the versions where several had such passes.
 */
export function withoutRepeats(grown: ReadonlyMap<string, Totals>, repeats: number): Map<string, Totals> {
  let left = repeats;
  return new Map(
    [...grown].map(([version, totals]) => {
      const again = Math.min(left, totals.unanswered);
      left -= again;
      const { requests, failures, repeated } = totals;
      return [
        version,
        { ...totals, requests: requests - again, failures: failures - again, repeated: repeated + again },
      ];
    }),
  );
}

export function sum(left: Totals, right: Totals): Totals {
  return combined(left, right, (a, b) => a + b);
}

/** Never negative: what has just been counted in one place may be missing in the other for a moment. */
export function difference(now: Totals, before: Totals): Totals {
  return combined(now, before, (a, b) => Math.max(0, a - b));
}

function combined(left: Totals, right: Totals, of: (a: number, b: number) => number): Totals {
  return {
    requests: of(left.requests, right.requests),
    failures: of(left.failures, right.failures),
    clientErrors: of(left.clientErrors, right.clientErrors),
    repeated: of(left.repeated, right.repeated),
    unanswered: of(left.unanswered, right.unanswered),
  };
}

/** A silent server is a 504 among the failures; answers are not read; a stream that ends early has its first status. */
const notCounted = ['timeouts', 'malformed', 'cut'] as const;

/** What HAProxy cannot tell stays empty: latencies, classes, scores and labels are unmeasured with it. */
export function countsRow(
  { requests, failures, clientErrors, repeated }: Totals,
  of: Pick<CountsRow, 'seq' | 'fromMs' | 'toMs' | 'version' | 'epoch' | 'cohort'>,
): CountsRow {
  return {
    kind: 'counts',
    ...of,
    requests,
    failures,
    clientErrors,
    repeated,
    timeouts: 0,
    malformed: 0,
    cut: 0,
    notCounted: [...notCounted],
    latency: null,
    predicted: {},
    scoreSum: 0,
    scoreCount: 0,
    labels: {},
  };
}
