import { probationLength } from './nab-scoring';

/** Label runs with at most this many samples between them are one event; so are false alarms. */
const MERGE_SAMPLES = 10;
/** An alarm up to this many samples after the end of an event still belongs to it. */
const GRACE_SAMPLES = 10;

/** What a detector made of the events of one series, after probation. */
export interface EventCounts {
  readonly events: number;
  readonly hits: number;
  readonly falseAlarms: number;
  /** Samples from the begin of each event that was hit to its first alarm; 0 for one that began in probation. */
  readonly delays: readonly number[];
}

/** First and last index of each event: runs of labels, merged. */
export function eventsOf(labels: readonly boolean[]): [number, number][] {
  const events: [number, number][] = [];
  labels.forEach((label, index) => {
    if (!label) return;
    const last = events.at(-1);
    if (last && index - last[1] <= MERGE_SAMPLES) last[1] = index;
    else events.push([index, index]);
  });
  return events;
}

/** Counts hits and false alarms of a series; `alarms` are ascending indices. */
export function countEvents(alarms: readonly number[], labels: readonly boolean[]): EventCounts {
  const probation = probationLength(labels.length);
  const all = eventsOf(labels);
  const judged = alarms.filter((index) => index >= probation);
  const scorable = all.filter(([, end]) => end >= probation);
  const delays = scorable.flatMap(([begin, end]) => {
    const first = judged.find((index) => index >= begin && index <= end + GRACE_SAMPLES);
    return first === undefined ? [] : [first - Math.max(begin, probation)];
  });
  const outside = judged.filter((index) => !all.some(([begin, end]) => index >= begin && index <= end + GRACE_SAMPLES));
  const falseAlarms = outside.filter((index, at) => at === 0 || index - (outside[at - 1] ?? index) > MERGE_SAMPLES);
  return { events: scorable.length, hits: delays.length, falseAlarms: falseAlarms.length, delays };
}

export interface EventQuality {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** Over all series together; 0 where nothing was raised. */
export function eventQuality(counts: readonly EventCounts[]): EventQuality {
  const sum = (of: (count: EventCounts) => number): number => counts.reduce((total, count) => total + of(count), 0);
  const hits = sum((count) => count.hits);
  const falseAlarms = sum((count) => count.falseAlarms);
  const precision = hits === 0 ? 0 : hits / (hits + falseAlarms);
  const recall = hits === 0 ? 0 : hits / sum((count) => count.events);
  return { precision, recall, f1: hits === 0 ? 0 : (2 * precision * recall) / (precision + recall) };
}
