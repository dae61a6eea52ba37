import type { IncidentStory } from '../story/incident-story';
import { numberOf } from '../story/facts';
import type { Present } from '../story/present';
import type { Entry } from '../types';
import { candidates } from './candidates';
import { whatToDo } from './what-to-do';
import { day, fineClock, metricValue, moment, number, span, table, when } from './words';

/** An incident as a colleague would sum it up. `now` only shortens dates of today. */
export function renderExplanation(story: IncidentStory, present: Present, now: number): string[] {
  return [
    `${titleOf(story)}`,
    ...section('What happened', whatHappened(story, now)),
    ...section(
      causeTitle(story),
      story.reasons.map((reason) => `- ${reason}`),
    ),
    ...section('What lastgood did', steps(story.entries)),
    ...section('Who was exposed, and for how long', exposure(story, now)),
    ...section('Who could take over', candidates(story, now)),
    ...section('In force now, by the ledger', inForce(present, now)),
    ...section('What you should do next', whatToDo(story, present)),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];
}

export function titleOf({ id, service, from, to, path, outcome, decision, entries }: IncidentStory): string {
  const began = entries[0]?.at;
  const ways = path.length > 2 ? path : from !== null && to !== null && from !== to ? [from, to] : [from];
  const move = ways.some((version) => version !== null) ? `, ${ways.join(' → ')}` : '';
  const by = decision && decision.by !== 'lastgood' ? ` by ${decision.by}` : '';
  return `${service} ${id}${began === undefined ? '' : ` of ${day(began)}`}${move}${by}: ${outcome}`;
}

function whatHappened(story: IncidentStory, now: number): string[] {
  const { evidence } = story;
  if (!evidence) return story.decision ? [story.decision.summary] : [];
  const limit =
    evidence.lcl !== null && (evidence.observed ?? 0) < evidence.lcl ? evidence.lcl : (evidence.ucl ?? evidence.lcl);
  const value = (amount: number | null): string => metricValue(evidence.metric, amount, evidence.unit ?? undefined);
  const lines = [evidence.sentence];
  lines.push(
    `${evidence.metric} (${evidence.tier}): observed ${value(evidence.observed)}, expected ${value(evidence.expected)}, limit ${value(limit)}` +
      `${evidence.samples === null ? '' : `, ${evidence.samples} samples`}${evidence.sinceMs === null ? '' : ` since ${when(evidence.sinceMs, now)}`}`,
  );
  if (evidence.onset) {
    const { at, low, high } = evidence.onset;
    const interval = low !== null && high !== null ? ` (between ${when(low, now)} and ${when(high, now)})` : '';
    lines.push(`it began at about ${when(at, now)}${interval}`);
  } else lines.push('when it began could not be estimated');
  if (evidence.statistic) {
    const { name, value: reached, threshold, falseAlarmDays } = evidence.statistic;
    const rare = falseAlarmDays === null ? '' : `; by chance that happens once in ${number(falseAlarmDays)} days`;
    lines.push(`${name} reached ${number(reached)}, the alarm is at ${number(threshold)}${rare}`);
  }
  if (evidence.baseline) lines.push(`judged by: ${evidence.baseline}`);
  if (story.entries.some(({ kind }) => kind === 'evidence-kept'))
    lines.push(`as a picture: lastgood explain ${story.id} --service ${story.service} --chart FILE.svg`);
  return lines;
}

export function causeTitle({ attribution }: IncidentStory): string {
  switch (attribution) {
    case 'model':
      return 'Why lastgood thinks that the model is the cause';
    case 'environment':
      return 'Why lastgood thinks that the environment is the cause, not the model';
    case null:
      return 'What speaks for a cause';
    default:
      return 'Why the cause is undetermined';
  }
}

const silent = new Set<Entry['kind']>([
  'standby-changed',
  'configured',
  'step-began',
  'instance-retired',
  'evidence-kept',
]);

/** Every decision and step with its time; a step that succeeded says its own duration. */
export function steps(entries: readonly Entry[]): string[] {
  const rows = worthTelling(entries).map(({ at, kind, summary, actor }) => {
    const by = actor.name === 'lastgood' ? '' : ` — ${actor.name} (${actor.proof})`;
    return [fineClock(at), kind, `${summary}${by}`];
  });
  return table(rows);
}

/** Without bookkeeping, and without the second word on one shift (the decider and its child both write it). */
export function worthTelling(entries: readonly Entry[], quiet: ReadonlySet<Entry['kind']> = silent): Entry[] {
  const shifted = new Set<number>();
  return entries.filter(({ kind, summary, facts }) => {
    if (quiet.has(kind) || (kind === 'standing-changed' && summary.startsWith('changed: '))) return false;
    if (kind !== 'traffic-shifted') return true;
    const epoch = numberOf(facts, 'epoch') ?? -1;
    if (shifted.has(epoch)) return false;
    shifted.add(epoch);
    return true;
  });
}

export function exposure(story: IncidentStory, now: number): string[] {
  const { onsetAt, detectedAt, decidedAt, preparedAt, shiftedAt, settledAt } = story.times;
  if (story.outcome === 'refused' || (detectedAt === null && shiftedAt === null)) return [];
  const parts = [
    ['detect', onsetAt, detectedAt],
    ['decide', detectedAt, decidedAt],
    ['prepare', decidedAt, preparedAt ?? shiftedAt],
    ['shift', preparedAt ?? shiftedAt, shiftedAt],
    ['verify', shiftedAt, settledAt],
  ] as const;
  const split = parts
    .filter(([name]) => story.evidence !== null || (name !== 'detect' && name !== 'decide'))
    .map(([name, from, to]) => (from === null || to === null ? `${name} not known` : `${name} ${span(to - from)}`));
  const lines: string[] = [];
  if (onsetAt !== null && shiftedAt !== null)
    lines.push(
      `the users of ${story.from ?? 'the old version'} for ${span(shiftedAt - onsetAt)}: from the onset, ${when(onsetAt, now)}, until new requests went to ${story.to ?? 'the target'}, ${when(shiftedAt, now)}`,
    );
  else if (onsetAt !== null) lines.push(`the users of ${story.from ?? 'the live version'} since ${when(onsetAt, now)}`);
  else lines.push('since when is not known: no onset could be estimated');
  lines.push(split.join(', '));
  if (onsetAt !== null && settledAt !== null)
    lines.push(`settled ${span(settledAt - onsetAt)} after the onset: the time of all five parts`);
  if (story.verified)
    lines.push(
      story.verified.byProbesOnly
        ? 'there was no traffic: the golden probes alone decided that it is well again'
        : `verified by ${story.verified.goodAnswers} good answers in ${span(story.verified.ms)}`,
    );
  return lines;
}

export function inForce(present: Present, now: number): string[] {
  const lines: string[] = [];
  if (present.primary !== null)
    lines.push(
      present.fallback
        ? `${present.fallback.version} serves as the router's fallback since ${when(present.fallback.since, now)}; declared is ${present.primary}`
        : `${present.primary} serves${present.routedAt === null ? '' : ` since ${when(present.routedAt, now)}`} (epoch ${present.epoch ?? '?'})`,
    );
  if (present.cooldownUntil !== null && present.cooldownUntil > now)
    lines.push(
      `cooldown until ${when(present.cooldownUntil, now)}: no automatic rollback, verdicts are still measured`,
    );
  if (present.breaker?.open)
    lines.push(`the breaker is OPEN (epoch ${present.breaker.epoch}): no automatic rollback until a person clears it`);
  for (const [version, { standing, why }] of Object.entries(present.standing))
    if (standing === 'quarantined' || standing === 'revoked' || standing === 'suspect')
      lines.push(`${version} is ${standing}: ${why}`);
  if (present.mode !== null && present.mode !== 'act') lines.push(`mode ${present.mode}`);
  if (present.asOf !== null) lines.push(`(last entry of ${moment(present.asOf)})`);
  return lines;
}
