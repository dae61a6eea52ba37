/** Each alarm raises the limit for the next one by so much of itself … */
const RAISE_PER_ALARM = 0.3;
/** … and that wears off to 1/e over so many points. */
const MEMORY_POINTS = 8000;
/** After an alarm so many points raise none: they are the same story. */
const REFRACTORY_POINTS = 60;

/** A limit that rises with every alarm: what happens often is not news. JSON-serialisable, O(1). */
export interface Habituation {
  /** Decayed number of alarms. */
  alarms: number;
  /** Points since the last alarm; null before the first. */
  sinceAlarm: number | null;
}

export function initialHabituation(): Habituation {
  return { alarms: 0, sinceAlarm: null };
}

export function habituatedLimit(state: Habituation, limit: number): number {
  return limit * (1 + RAISE_PER_ALARM * state.alarms);
}

/** Folds one score. It raised an alarm exactly when `sinceAlarm` is 0 afterwards. */
export function stepHabituation(state: Habituation, limit: number, score: number): Habituation {
  const alarms = state.alarms * (1 - 1 / MEMORY_POINTS);
  const sinceAlarm = state.sinceAlarm === null ? null : state.sinceAlarm + 1;
  const rested = sinceAlarm === null || sinceAlarm > REFRACTORY_POINTS;
  if (!rested || score < habituatedLimit({ alarms, sinceAlarm }, limit)) return { alarms, sinceAlarm };
  return { alarms: alarms + 1, sinceAlarm: 0 };
}
