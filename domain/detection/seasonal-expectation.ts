const DAY_MS = 86_400_000;
/** Days that the time of day is compared with, and weeks that the time of week is. */
const DAYS = 7;
const WEEKS = 3;
const SLOT_MIN_MS = 5 * 60_000;
const SLOT_MAX_MS = 60 * 60_000;
/** Intervals between points that the width of a slot is chosen from. */
const STEP_POINTS = 9;
/** So many earlier slots (of 21: three a day) are needed for a time of day, so many (of 9) for a time of week. */
const MIN_DAILY = 6;
const MIN_WEEKLY = 2;

/** What a series was at this time of day and of week. JSON-serialisable, at most 22 days of at most 288 slots. */
export interface SeasonalHistory {
  /** Width of a slot, chosen from the first intervals: five minutes to one hour; null before. */
  slotMs: number | null;
  steps: number[];
  lastMs: number | null;
  /** Oldest first; `values[slot]` is the mean of the slot, null where nothing was measured. */
  days: { day: number; values: (number | null)[] }[];
  open: { day: number; slot: number; sum: number; points: number } | null;
  /** Decayed mean absolute error of both expectations, over the points that had both. */
  dailyError: number;
  weeklyError: number;
  compared: number;
}

export function initialSeasonalHistory(): SeasonalHistory {
  return { slotMs: null, steps: [], lastMs: null, days: [], open: null, dailyError: 0, weeklyError: 0, compared: 0 };
}

/**
 * What the history expects now, before `value` enters it (in place); null where it says nothing yet. The median of the
 * same time of day (± a slot) of the last seven days, or, where that was closer so far, of the same time of week of
 * the last three weeks. Times must ascend.
 */
export function expectSeasonal(history: SeasonalHistory, atMs: number, value: number): number | null {
  const slotMs = slotWidth(history, atMs);
  if (slotMs === null) return null;
  const day = Math.floor(atMs / DAY_MS);
  const slot = Math.floor((atMs - day * DAY_MS) / slotMs);
  const open = history.open;
  if (open && (open.day !== day || open.slot !== slot)) closeSlot(history, Math.ceil(DAY_MS / slotMs));
  const daily: number[] = [];
  const weekly: number[] = [];
  for (const past of history.days) {
    const age = day - past.day;
    if (age <= 0) continue;
    const isWeekly = age % 7 === 0;
    if (age > DAYS && !isWeekly) continue;
    for (const near of neighbours(past.values, slot)) {
      if (age <= DAYS) daily.push(near);
      if (isWeekly) weekly.push(near);
    }
  }
  const ofDay = daily.length >= MIN_DAILY ? medianOf(daily) : null;
  const ofWeek = weekly.length >= MIN_WEEKLY ? medianOf(weekly) : null;
  const slotsADay = DAY_MS / slotMs;
  const trusted = history.compared > 2 * slotsADay && history.weeklyError < history.dailyError;
  if (ofDay !== null && ofWeek !== null)
    learnErrors(history, Math.abs(value - ofDay), Math.abs(value - ofWeek), slotsADay);
  history.open ??= { day, slot, sum: 0, points: 0 };
  history.open.sum += value;
  history.open.points += 1;
  return ofWeek !== null && trusted ? ofWeek : ofDay;
}

function slotWidth(history: SeasonalHistory, atMs: number): number | null {
  if (history.slotMs !== null) return history.slotMs;
  if (history.lastMs !== null) history.steps.push(atMs - history.lastMs);
  history.lastMs = atMs;
  if (history.steps.length < STEP_POINTS) return null;
  const step = medianOf(history.steps);
  history.steps = [];
  history.slotMs = Math.min(SLOT_MAX_MS, Math.max(SLOT_MIN_MS, step));
  return history.slotMs;
}

function closeSlot(history: SeasonalHistory, slots: number): void {
  const { open, days } = history;
  history.open = null;
  if (!open) return;
  let today = days.at(-1);
  if (today?.day !== open.day) {
    today = { day: open.day, values: new Array<number | null>(slots).fill(null) };
    days.push(today);
    while ((days[0]?.day ?? open.day) < open.day - 7 * WEEKS) days.shift();
  }
  today.values[open.slot] = open.sum / open.points;
}

function neighbours(values: readonly (number | null)[], slot: number): number[] {
  const count = values.length;
  const around = [values[(slot + count - 1) % count], values[slot], values[(slot + 1) % count]];
  return around.filter((value): value is number => typeof value === 'number');
}

function learnErrors(history: SeasonalHistory, daily: number, weekly: number, slotsADay: number): void {
  history.compared += 1;
  const rate = Math.max(1 / (3 * slotsADay), 1 / history.compared);
  history.dailyError += rate * (daily - history.dailyError);
  history.weeklyError += rate * (weekly - history.weeklyError);
}

/** Sorts in place: a handful of numbers, on every point. */
function medianOf(values: number[]): number {
  values.sort((left, right) => left - right);
  const middle = values.length >> 1;
  const upper = values[middle] ?? NaN;
  return values.length % 2 === 1 ? upper : ((values[middle - 1] ?? upper) + upper) / 2;
}
