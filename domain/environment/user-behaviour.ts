import { changePoint } from '../detection/change-point';
import { chiSquareSurvival } from '../detection/chi-square';
import { populationStability } from '../detection/divergence';
import { median, quantile } from '../detection/robust';
import { clockText, numberText } from '../detection/verdict';
import { PSI_MARGIN } from './field-checks';
import type { OnsetInterval, SignalFinding } from './finding';
import { MINUTE_MS, type UserMinute, type UserMinutes } from './user-minutes';

const HISTORY_MS = 60 * MINUTE_MS;
const RECENT_MS = 10 * MINUTE_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
const HISTORY_MIN = 20;
const RECENT_MIN = 3;
/** Traffic doubles within minutes for a reason; less is the day's own movement. */
const RATE_FACTOR = 2;
const SESSION_FACTOR = 1.5;
const SESSIONS_MIN = 30;
const LABELS_MIN = 50;
const LEVEL = 0.01;

/**
 * Whether users behave otherwise than before: more requests, another mix of true classes, shorter or longer sessions.
 *
 * A failure makes its own traffic: clients try again, users come back or leave. So requests count when they were answered
 * well, for a repeat after a failure adds none of these: what they do before the low end of the degradation's onset, and
 * since then. Sessions are read before the onset only, where the degradation cannot have changed them. The mix of what was
 * *predicted* is not looked at: a bad model changes it itself.
 */
export function userFindings(
  minutes: UserMinutes,
  sinceMs: number,
  nowMs: number,
  degradation: OnsetInterval | null,
): SignalFinding[] {
  const untilMs = degradation?.lowMs ?? nowMs;
  const fromMs = degradation === null ? sinceMs : untilMs - RECENT_MS;
  const recent = minutes.between(fromMs, untilMs);
  const firstMs = recent[0]?.atMs ?? fromMs;
  const history = minutes.between(firstMs - HISTORY_MS, firstMs);
  const yesterday = minutes.between(firstMs - DAY_MS - HISTORY_MS / 2, firstMs - DAY_MS + HISTORY_MS / 2);
  if (recent.length < RECENT_MIN || history.length < HISTORY_MIN) {
    const words = `${recent.length} minutes before the onset and ${history.length} before them are known, ${RECENT_MIN} and ${HISTORY_MIN} needed`;
    return [unmeasuredUsers(words)];
  }
  return [
    rateFinding({ recent, since: degradation ? minutes.between(untilMs, nowMs) : [], history, yesterday }),
    ...mixFinding(minutes, untilMs, nowMs, history),
    ...sessionFinding(recent, history),
  ];
}

function rateFinding({
  recent,
  since,
  history,
  yesterday,
}: Readonly<Record<'recent' | 'since' | 'history' | 'yesterday', readonly UserMinute[]>>): SignalFinding {
  const goods = (some: readonly UserMinute[]): number[] => some.map(({ good }) => good);
  const [then, lately] = [median(goods(recent)) ?? 0, median(goods(since)) ?? 0];
  const before = median(goods(history)) ?? 0;
  // A daily rise comes some minutes earlier or later each day.
  const sameTime = yesterday.length < HISTORY_MIN ? null : quantile(goods(yesterday), 0.75);
  const usual = Math.max(before, sameTime ?? 0, 1);
  const limit = Math.max(RATE_FACTOR * usual, quantile(goods(history), 0.95) ?? 0);
  const spread = Math.max(1, (quantile(goods(history), 0.9) ?? before) - before);
  const points = [...history, ...recent, ...since].map(({ atMs, good }) => ({
    atMs,
    value: good,
    score: (good - before) / spread,
  }));
  const changed = then > limit || lately > limit;
  const onsetMs = changed ? (changePoint(points, 1)?.onsetMs ?? null) : null;
  const yesterdays = sameTime === null ? '' : `, ${numberText(sameTime)} at this time of yesterday`;
  const observed = then > limit ? then : Math.max(then, lately);
  const began = then > limit ? 'before the degradation' : 'with the degradation';
  return {
    name: 'users:rate',
    state: changed ? 'changed' : 'same',
    words:
      `${numberText(observed)} good answers a minute (limit ${numberText(limit)}, ${numberText(before)} before${yesterdays})` +
      (onsetMs === null ? '' : `, since about ${clockText(onsetMs)}, ${began}`),
    where: 'who sends so many requests',
    observed,
    before,
    limit,
    onsetMs,
    samples: recent.length + since.length,
  };
}

/** Labels speak of the inputs, not of the model: those that came since the onset count as well. */
function mixFinding(
  minutes: UserMinutes,
  untilMs: number,
  nowMs: number,
  history: readonly UserMinute[],
): SignalFinding[] {
  const [lately, before] = [classesOf(minutes.between(untilMs - MINUTE_MS, nowMs)), classesOf(history)];
  const labels = [...before.keys()];
  const counts = (of: ReadonlyMap<string, number>): number[] => labels.map((label) => Math.max(0, of.get(label) ?? 0));
  const total = (some: readonly number[]): number => some.reduce((sum, count) => sum + count, 0);
  const [n, m] = [total(counts(lately)), total(counts(before))];
  if (labels.length < 2 || n < LABELS_MIN || m < LABELS_MIN) return [];
  const psi = populationStability(counts(before), counts(lately));
  const p = chiSquareSurvival(psi / (1 / n + 1 / m), labels.length - 1);
  const changed = psi > PSI_MARGIN && p <= LEVEL;
  return [
    {
      name: 'users:mix',
      state: changed ? 'changed' : 'same',
      words: `the mix of true classes: PSI ${numberText(psi)} (limit ${PSI_MARGIN}) of ${n} labels against ${m} before`,
      where: 'who sends the classes that became more frequent',
      observed: psi,
      before: 0,
      limit: PSI_MARGIN,
      onsetMs: null,
      samples: n,
    },
  ];
}

function classesOf(minutes: readonly UserMinute[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { classes } of minutes) for (const [label, n] of classes) sums.set(label, (sums.get(label) ?? 0) + n);
  return sums;
}

/** Requests a session: those with one, divided by the sessions that began (Little's law, for lengths of minutes). */
function sessionFinding(recent: readonly UserMinute[], history: readonly UserMinute[]): SignalFinding[] {
  const begun = (some: readonly UserMinute[]): number => some.reduce((sum, one) => sum + one.sessionsBegun, 0);
  const length = (some: readonly UserMinute[]): number =>
    some.reduce((sum, one) => sum + one.sessionRequests, 0) / Math.max(1, begun(some));
  if (begun(recent) < SESSIONS_MIN || begun(history) < SESSIONS_MIN) return [];
  const [now, before] = [length(recent), length(history)];
  // As long as the recent minutes, so that they vary alike.
  const parts = chunks(history, recent.length)
    .filter((part) => begun(part) >= SESSIONS_MIN)
    .map(length);
  const longer = now > before;
  const limit = longer ? Math.max(SESSION_FACTOR * before, ...parts) : Math.min(before / SESSION_FACTOR, ...parts);
  const changed = longer ? now > limit : now < limit;
  return [
    {
      name: 'users:session-length',
      state: changed ? 'changed' : 'same',
      words: `${numberText(now)} requests a session (limit ${numberText(limit)}, ${numberText(before)} before) of ${begun(recent)} sessions`,
      where: `whose sessions became ${longer ? 'longer' : 'shorter'}`,
      observed: now,
      before,
      limit,
      onsetMs: null,
      samples: begun(recent),
    },
  ];
}

function chunks(minutes: readonly UserMinute[], size: number): UserMinute[][] {
  const parts: UserMinute[][] = [];
  for (let at = 0; at + size <= minutes.length; at += size) parts.push(minutes.slice(at, at + size));
  return parts;
}

export function unmeasuredUsers(words: string): SignalFinding {
  return {
    name: 'users',
    state: 'unmeasured',
    words,
    where: 'who uses the service',
    observed: null,
    before: null,
    limit: null,
    onsetMs: null,
    samples: 0,
  };
}
