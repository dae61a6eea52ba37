/** Faults that tests and benchmarks switch on over a loopback listener of their own, never over the clients' port. */
import { CLASSES, type MailClass } from './corpus';
import type { Prediction } from './model';
import { seededRandom, type Random } from './random';

export const FAULT_KINDS = ['none', 'errors500', 'hang', 'errors', 'wrong-class', 'slow', 'crash'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  kind: FaultKind;
  /** Share of the requests that `errors` and `wrong-class` hit; defaults 0.05 and 1. */
  rate: number;
  /** `wrong-class`: answers of this class become another one; default `bulk`. */
  class: MailClass;
  /** `slow`: added to each answer; default 500. */
  delayMs: number;
  /** Begins the pattern of single errors anew from this number; without it the pattern goes on. */
  seed?: number;
}

export class FaultError extends Error {
  override name = 'FaultError';
}

export const NO_FAULT: Fault = { kind: 'none', rate: 0, class: 'bulk', delayMs: 0 };

const KEYS = ['kind', 'rate', 'class', 'delayMs', 'seed'];

/** @throws FaultError naming the key, what was found and what was expected */
export function parseFault(body: string): Fault {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(body) as Record<string, unknown>;
  } catch (error) {
    throw new FaultError(`body: not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null) throw new FaultError('body: expected an object');
  const unknown = Object.keys(value).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw new FaultError(`unknown key "${unknown}", expected ${KEYS.join(', ')}`);
  const { kind, rate, class: label, delayMs, seed } = value;
  const expect = (key: string, ok: boolean, expected: string): void => {
    if (!ok) throw new FaultError(`${key}: found ${JSON.stringify(value[key])}, expected ${expected}`);
  };
  expect(
    'kind',
    FAULT_KINDS.some((known) => known === kind),
    FAULT_KINDS.join(' | '),
  );
  expect('rate', rate === undefined || (typeof rate === 'number' && rate >= 0 && rate <= 1), 'a number from 0 to 1');
  expect('class', label === undefined || CLASSES.some((known) => known === label), CLASSES.join(' | '));
  expect('delayMs', delayMs === undefined || (Number.isInteger(delayMs) && Number(delayMs) >= 0), 'milliseconds');
  expect('seed', seed === undefined || Number.isInteger(seed), 'a whole number');
  return {
    kind: kind as FaultKind,
    rate: (rate as number | undefined) ?? (kind === 'errors' ? 0.05 : 1),
    class: (label as MailClass | undefined) ?? 'bulk',
    delayMs: (delayMs as number | undefined) ?? 500,
    ...(seed === undefined ? {} : { seed: seed as number }),
  };
}

/** What a request meets. */
export type Encounter = { act: 'answer' } | { act: 'error' } | { act: 'hang' } | { act: 'delay'; delayMs: number };

export interface FaultState {
  set(fault: Fault): void;
  current(): Fault;
  /** Before the model is asked. */
  encounter(): Encounter;
  /** After the model answered. */
  distort(prediction: Prediction): Prediction;
}

/** The seed makes the pattern of single errors repeatable. */
export function openFaults(seed = 1): FaultState {
  let fault = NO_FAULT;
  let random: Random = seededRandom(seed);
  return {
    set: (next) => {
      fault = next;
      if (next.seed !== undefined) random = seededRandom(next.seed);
    },
    current: () => fault,
    encounter: () => {
      switch (fault.kind) {
        case 'errors500':
          return { act: 'error' };
        case 'errors':
          return { act: random.next() < fault.rate ? 'error' : 'answer' };
        case 'hang':
          return { act: 'hang' };
        case 'slow':
          return { act: 'delay', delayMs: fault.delayMs };
        case 'none':
        case 'wrong-class':
        case 'crash':
          return { act: 'answer' };
      }
    },
    distort: (prediction) => {
      if (fault.kind !== 'wrong-class' || prediction.label !== fault.class) return prediction;
      return random.next() < fault.rate ? swapped(prediction) : prediction;
    },
  };
}

/** The probability of the best class changes places with that of the next class in the list: a confident mistake. */
function swapped(prediction: Prediction): Prediction {
  const from = CLASSES.indexOf(prediction.label);
  const to = (from + 1) % CLASSES.length;
  const scores = [...prediction.scores];
  scores[to] = prediction.scores[from] as number;
  scores[from] = prediction.scores[to] as number;
  return { label: CLASSES[to] as MailClass, score: prediction.score, scores };
}
