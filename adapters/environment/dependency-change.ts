import { median, quantile } from '../../domain/detection/robust';
import { clockText, numberText } from '../../domain/detection/verdict';
import { beganAfter, type OnsetInterval } from '../../domain/environment/finding';
import type { DependencyCheck } from './dependencies';
import type { Signal } from './signal-source';

/** Checks that are remembered: an hour at one each 5 s. */
const CHECKS_MAX = 720;
const MIN_RECENT = 3;
const MIN_BEFORE = 12;
/** Slower by this is slow: twice as long, 50 ms more, and longer than all but one in twenty of before. */
const SLOW_FACTOR = 2;
const SLOW_MORE_MS = 50;
/** An answer that is this much overdue while users wait is not known to come. */
const PENDING_MORE_MS = 25;

/** What is remembered of one dependency: enough to tell "broke just now" from "never worked", and slow from always slow. */
export class DependencyHistory {
  lastOkAt: number | null = null;
  failingSince: number | null = null;
  last: DependencyCheck | null = null;
  /** Begin of a check that is not answered yet. */
  pendingSince: number | null = null;
  private readonly answered: DependencyCheck[] = [];

  note(check: DependencyCheck): void {
    this.last = check;
    this.pendingSince = null;
    if (!check.ok) {
      this.failingSince ??= check.atMs;
      return;
    }
    this.lastOkAt = check.atMs;
    this.failingSince = null;
    this.answered.push(check);
    if (this.answered.length > CHECKS_MAX) this.answered.shift();
  }

  usualMs(): number | null {
    return median(this.answered.map(({ ms }) => ms));
  }

  /** Recent times of answers (since the onset where it is known; at least the newest three since `sinceMs`), and those before. */
  times(sinceMs: number, onset: OnsetInterval | undefined): { recent: DependencyCheck[]; before: number[] } {
    const after = this.answered.filter(({ atMs }) => atMs >= sinceMs);
    const sinceOnset = onset === undefined ? after : after.filter(({ atMs }) => atMs >= onset.lowMs);
    return {
      recent: sinceOnset.length >= MIN_RECENT ? sinceOnset : after.slice(-MIN_RECENT),
      before: this.answered.filter(({ atMs }) => atMs < sinceMs).map(({ ms }) => ms),
    };
  }
}

export interface DependencyQuestion {
  readonly sinceMs: number;
  readonly onset?: OnsetInterval;
  /** A failure may be so much older or younger than the moment at which it was seen. */
  readonly slackMs: number;
  readonly nowMs: number;
}

/**
 * A dependency that worked and fails since about `sinceMs` has changed, and so has one that answers slower than its own
 * history by a limit; one that never worked here cannot be the news, so nothing can be concluded from it.
 */
export function dependencySignal(dependency: string, history: DependencyHistory, question: DependencyQuestion): Signal {
  const name = `dependency:${dependency}`;
  const { last, failingSince } = history;
  const base = {
    name,
    where: `the dependency ${dependency}`,
    observed: last?.ok === true ? Math.round(last.ms) : null,
    before: null,
    limit: null,
    onsetMs: failingSince,
    samples: last === null ? 0 : 1,
    more: { last: last?.why ?? null, failingSince },
  };
  if (last === null) return { ...base, state: 'unmeasured', words: 'was not asked yet' };
  if (!last.ok) return failing(base, history, last, question);
  const waitedMs = history.pendingSince === null ? 0 : question.nowMs - history.pendingSince;
  const usual = history.usualMs();
  if (usual !== null && waitedMs > SLOW_FACTOR * usual + PENDING_MORE_MS)
    return {
      ...base,
      state: 'unmeasured',
      words: `no answer for ${Math.round(waitedMs)} ms, ${numberText(usual)} ms are usual`,
    };
  return slow(base, history, question);
}

type Base = Omit<Signal, 'state' | 'words'>;

function failing(base: Base, history: DependencyHistory, last: DependencyCheck, question: DependencyQuestion): Signal {
  const { failingSince, lastOkAt } = history;
  if (lastOkAt === null) return { ...base, state: 'unmeasured', words: `${last.why}; it never answered well here` };
  const since = failingSince ?? last.atMs;
  const words = `${last.why}, since ${clockText(since)}`;
  const late = beganAfter(since - question.slackMs, question.onset ?? null);
  const state = !late && since >= question.sinceMs - question.slackMs ? 'changed' : 'same';
  return { ...base, state, words: late ? `${words}, which is after the degradation began` : words };
}

function slow(base: Base, history: DependencyHistory, { sinceMs, onset }: DependencyQuestion): Signal {
  const { recent, before } = history.times(sinceMs, onset);
  const [now, then] = [median(recent.map(({ ms }) => ms)), median(before)];
  // It answers: without a history of its times nothing more is asked.
  if (now === null || then === null || recent.length < MIN_RECENT || before.length < MIN_BEFORE)
    return { ...base, state: 'same', words: `answers in ${numberText(history.last?.ms ?? 0)} ms` };
  const limit = Math.max(SLOW_FACTOR * then, then + SLOW_MORE_MS, quantile(before, 0.95) ?? 0);
  const begin = now > limit ? (recent.find(({ ms }) => ms > limit)?.atMs ?? null) : null;
  const late = beganAfter(begin, onset ?? null);
  return {
    ...base,
    state: now > limit && !late ? 'changed' : 'same',
    words:
      `answers in ${numberText(now)} ms (limit ${numberText(limit)} ms, ${numberText(then)} ms before)` +
      (begin === null ? '' : `, since ${clockText(begin)}${late ? ', which is after the degradation began' : ''}`),
    observed: Math.round(now),
    before: Math.round(then),
    limit: Math.round(limit),
    onsetMs: begin,
    samples: recent.length,
  };
}
