/** Faults that come with the new version, in the order of the rows. */
export const MODEL_FAULTS = ['crash', 'timeouts', 'errors', 'plus2', 'plus1', 'memory', 'drift', 'oneclass'] as const;
/** Changes around a version that is as good as the one before. */
export const ENVIRONMENT_CHANGES = ['input-shift', 'host', 'dependency', 'traffic'] as const;

export type ModelFault = (typeof MODEL_FAULTS)[number];
export type EnvironmentChange = (typeof ENVIRONMENT_CHANGES)[number];

/** `both`: the new version recognises one class worse from the deploy on, and the host is busy at the same time. */
export type CaseKind = ModelFault | EnvironmentChange | 'both' | 'clean';

export interface Case {
  readonly kind: CaseKind;
  readonly seed: number;
  /** Minutes that are watched after the deploy, or after the change where that comes later. */
  readonly minutes: number;
}

/** A week of hours, and the hours that are whole. */
export const HISTORY_MINUTES = 7 * 1_440;
export const RECENT_MINUTES = 360;
const DAY_MINUTES = 1_440;

/** A hard fault is over within the hour, a slow one needs the day. */
export function minutesOf(kind: CaseKind): number {
  switch (kind) {
    case 'clean':
      return DAY_MINUTES;
    case 'drift':
      return 480;
    case 'oneclass':
    case 'both':
    case 'memory':
    case 'errors':
      return 180;
    default:
      return 90;
  }
}

export function isModelFault(kind: CaseKind): kind is ModelFault {
  return (MODEL_FAULTS as readonly string[]).includes(kind);
}

export function isEnvironmentChange(kind: CaseKind): kind is EnvironmentChange {
  return (ENVIRONMENT_CHANGES as readonly string[]).includes(kind);
}

/** The cases of a run, each with a seed of its own. */
export function casesOf(kind: CaseKind, count: number, seed: number): Case[] {
  const family = [...MODEL_FAULTS, ...ENVIRONMENT_CHANGES, 'both', 'clean'].indexOf(kind) + 1;
  return Array.from({ length: count }, (_, at) => ({
    kind,
    seed: seed * 10_000_000 + family * 100_000 + at,
    minutes: minutesOf(kind),
  }));
}
