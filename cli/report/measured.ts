import { metricValue, moment, number } from '../render/words';
import { evidenceOf, evidenceOfBegan, type Evidence } from '../story/incident-story';
import { listOf, recordOf, textOf } from '../story/facts';
import type { Entry } from '../types';
import { list, tablePart, text, type ReportPart } from './document';

interface Measured {
  readonly entry: Entry;
  readonly evidence: Evidence;
  readonly with?: readonly Entry[];
}

/** The metric at each verdict and decision, with its limits, samples and since when. */
export function measured(entries: readonly Entry[]): ReportPart[] {
  const rows = together(entries.flatMap(measuredIn));
  if (rows.length === 0) return [text('Nothing was measured for it: a person decided, and no verdict is on record.')];
  return [
    ...tablePart(
      ['when', 'at', 'metric', 'observed', 'expected', 'lower limit', 'upper limit', 'samples', 'measured since'],
      rows.map(cells),
    ),
    ...list(distinct(rows.map(({ evidence }) => inWords(evidence)))),
  ];
}

/** A decision that rests on the verdict of the same moment is one line with it. */
function together(all: readonly Measured[]): Measured[] {
  const rows: Measured[] = [];
  for (const one of all) {
    const before = rows.at(-1);
    const same =
      before !== undefined &&
      Math.abs(one.entry.at - before.entry.at) < 1_000 &&
      (['metric', 'observed', 'ucl', 'lcl', 'samples'] as const).every((k) => one.evidence[k] === before.evidence[k]);
    if (same) rows[rows.length - 1] = { ...one, with: [...(before.with ?? []), before.entry] };
    else rows.push(one);
  }
  return rows;
}

function measuredIn(entry: Entry): Measured[] {
  const verdict = recordOf(entry.facts, 'verdict');
  if (verdict) return [{ entry, evidence: evidenceOf(verdict) }];
  if (entry.kind === 'degradation-began' && textOf(entry.facts, 'metric') !== null)
    return [{ entry, evidence: evidenceOfBegan(entry) }];
  return [];
}

const names: Partial<Record<Entry['kind'], string>> = {
  'degradation-began': 'the verdict',
  'rollback-decided': 'the decision to roll back',
  'rollback-held': 'the decision to hold',
  'rollback-refused': 'the decision not to roll back',
};

function cells({ entry, evidence, with: others = [] }: Measured): string[] {
  const at = [...others, entry].map(({ kind }) => names[kind] ?? kind);
  const { metric, tier, unit, observed, expected, lcl, ucl, samples, sinceMs } = evidence;
  const value = (amount: number | null): string => metricValue(metric, amount, unit ?? undefined);
  return [
    moment(entry.at),
    distinct(at).join(', and '),
    `${metric} (${tier})`,
    observed === null ? 'unmeasured' : value(observed),
    value(expected),
    lcl === null ? 'none' : value(lcl),
    ucl === null ? 'none' : value(ucl),
    samples === null ? '–' : String(samples),
    sinceMs === null ? '–' : moment(sinceMs),
  ];
}

function inWords({ sentence, onset, statistic, baseline }: Evidence): string {
  const parts = [sentence];
  if (onset) {
    const { at, low, high } = onset;
    const interval = low !== null && high !== null ? ` (between ${moment(low)} and ${moment(high)})` : '';
    parts.push(`it began at about ${moment(at)}${interval}`);
  } else parts.push('when it began could not be estimated');
  if (statistic) {
    const { name, value, threshold, falseAlarmDays } = statistic;
    const rare = falseAlarmDays === null ? '' : `, which happens by chance once in ${number(falseAlarmDays)} days`;
    parts.push(`${name} reached ${number(value)}, the alarm is at ${number(threshold)}${rare}`);
  }
  if (baseline) parts.push(`judged by: ${baseline}`);
  return parts.join('; ');
}

/** What speaks for the model or its environment, as it stood at each verdict and decision. */
export function attributed(entries: readonly Entry[]): ReportPart[] {
  const said = new Map<string, string>();
  for (const { facts } of entries) {
    const attribution = textOf(facts, 'attribution');
    for (const reason of listOf(facts, 'reasons'))
      if (!said.has(reason)) said.set(reason, attribution === null ? reason : `${attribution}: ${reason}`);
  }
  return list([...said.values()]);
}

export function distinct(words: readonly string[]): string[] {
  return [...new Set(words)];
}
