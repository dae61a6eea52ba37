import { quantile } from '../report';
import { isFailed, type UserRecord } from '../traffic/records';
import { SESSION_MAX_MS } from '../traffic/way';

/** When what happened in one swap; milliseconds of the monotonic clock. */
export interface SwapTimes {
  /** The way was told to move (`late`: the first 200 of the target's probe, just before). */
  readonly movedMs: number;
  /** The way said that it was done. */
  readonly doneMs: number;
  /** Sessions of the old version end then at the latest; null where the way has none. */
  readonly pinsUntilMs: number | null;
  readonly from: string;
  readonly to: string;
}

export interface SwapMeasure {
  readonly requests: number;
  readonly failed: number;
  readonly streamsCut: number;
  readonly mixed: number;
  readonly pinsWrong: number | null;
  /** From the move to the start of the last unpinned request that the old version answered; 0 where there is none. */
  readonly shiftMs: number;
  /** p99 of the unpinned requests of the second after the move ÷ that of the time before. */
  readonly p99Ratio: number;
}

const DURING_MS = 1_000;
/** Two clocks are compared, and HAProxy's births of sessions are in hundredths of a second. */
const PIN_SLACK_MS = 20;

/** Judges one swap by what its users saw; `records` begin before it and end after its pins. */
export function judgeSwap(records: readonly UserRecord[], times: SwapTimes): SwapMeasure {
  const { movedMs, from } = times;
  const unpinned = records.filter(({ kind }) => kind === 'unpinned');
  const late = unpinned.filter(({ versions, sentMs }) => sentMs > movedMs && versions.includes(from));
  const sessions = sessionsOf(records);
  return {
    requests: records.length,
    failed: records.filter(isFailed).length,
    streamsCut: records.filter(({ kind, lost }) => kind === 'stream' && lost === 'cut').length,
    mixed:
      records.filter(({ kind, versions }) => kind === 'stream' && versions.length > 1).length +
      [...sessions.values()].filter((session) => wentBack(session, times)).length,
    pinsWrong: times.pinsUntilMs === null ? null : pinsWrong(sessions, times, times.pinsUntilMs),
    shiftMs: Math.max(0, ...late.map(({ sentMs }) => sentMs - movedMs)),
    p99Ratio: p99Ratio(unpinned, movedMs),
  };
}

function sessionsOf(records: readonly UserRecord[]): Map<string, UserRecord[]> {
  const sessions = new Map<string, UserRecord[]>();
  for (const record of records) {
    if (record.session === null || isFailed(record)) continue;
    const session = sessions.get(record.session) ?? [];
    session.push(record);
    sessions.set(record.session, session);
  }
  for (const session of sessions.values()) session.sort((left, right) => left.sentMs - right.sentMs);
  return sessions;
}

/** A session that was on the new version and is on the old one again. */
function wentBack(session: readonly UserRecord[], { from, to }: SwapTimes): boolean {
  const first = session.findIndex(({ versions }) => versions.includes(to));
  return first >= 0 && session.slice(first).some(({ versions }) => versions.includes(from));
}

/**
 * Answers that a session got from the version that it must not have: the new one before its pin could end, the old one
 * after it had to end. A pin ends with the record's moment or the lifetime of the session, whichever is first.
 */
function pinsWrong(
  sessions: ReadonlyMap<string, readonly UserRecord[]>,
  { movedMs, doneMs, from, to }: SwapTimes,
  untilMs: number,
): number {
  let wrong = 0;
  for (const session of sessions.values()) {
    const born = session[0]?.born;
    if (!born) continue;
    if (born.sentMs > doneMs) {
      wrong += session.filter(({ versions }) => versions.includes(from)).length;
      continue;
    }
    // Born while the route changed: on either.
    if (born.endedMs > movedMs) continue;
    const endsFirst = Math.min(untilMs, born.sentMs + SESSION_MAX_MS) - PIN_SLACK_MS;
    const endsLast = Math.min(untilMs, born.endedMs + SESSION_MAX_MS) + PIN_SLACK_MS;
    // One that had aged out before begins anew, and its age is not known here.
    if (endsFirst <= movedMs) continue;
    wrong += session.filter(
      ({ versions, sentMs, endedMs }) =>
        (versions.includes(to) && endedMs < endsFirst) || (versions.includes(from) && sentMs > endsLast),
    ).length;
  }
  return wrong;
}

function p99Ratio(unpinned: readonly UserRecord[], movedMs: number): number {
  const p99 = (of: readonly UserRecord[]): number =>
    quantile(
      of.map(({ sentMs, endedMs }) => endedMs - sentMs),
      0.99,
    );
  const before = unpinned.filter(({ sentMs }) => sentMs < movedMs - DURING_MS / 10);
  const during = unpinned.filter(({ sentMs }) => sentMs >= movedMs && sentMs < movedMs + DURING_MS);
  return p99(during) / p99(before);
}
