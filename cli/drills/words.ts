import { UNPROVEN_BY_MIRROR } from '../../workflows/contract/drill';
import { ago, labelled, moment, span, table } from '../render/words';
import { stages, type DrillResult, type LastProven } from './results';

const wayWords: Readonly<Record<string, string>> = {
  mirror: 'copies of requests',
  replay: 'recorded inputs',
  live: "users' requests",
};

function took(ms: number | null): string {
  return ms === null ? '–' : span(ms);
}

export function listLines(results: readonly DrillResult[], now: number): string[] {
  if (results.length === 0) return ['no drill is on record'];
  const head = ['drill', 'ended', 'on', 'version', 'outcome', ...stages, 'whole'];
  const rows = results.map((one) => [
    one.drill,
    ago(one.endedAt, now),
    wayWords[one.way] ?? one.way,
    one.version === '?' && one.degrade
      ? 'the live one made worse'
      : `${one.version}${one.degrade ? ' made worse' : ''}`,
    `${one.outcome}${one.slower === null ? '' : ', slower'}`,
    ...stages.map((stage) => took(one.took[stage])),
    took(one.exposedMs),
  ]);
  return table([head, ...rows]);
}

/** One drill: what was seen, how long each stage took, and what it cannot have proven. */
export function showLines(result: DrillResult, proven: LastProven | null, now: number): string[] {
  const degrade = Object.entries(result.degrade ?? {}).map(([name, value]) => `${name} ${String(value)}`);
  const lines = [
    `drill ${result.drill}: ${result.outcome}, ${moment(result.endedAt)}`,
    ...labelled('why', [result.why]),
    ...labelled('on', [
      `${wayWords[result.way] ?? result.way}; ${result.version}${degrade.length > 0 ? ` made worse (${degrade.join(', ')})` : ''}`,
    ]),
    ...labelled('answers', [result.answers === null ? '–' : String(result.answers)]),
    ...labelled('stages', [
      `onset → detected ${took(result.took.detect)} → decided ${took(result.took.decide)} → shifted ${took(result.took.shift)} → restored ${took(result.took.restore)}; the whole ${took(result.exposedMs)}`,
    ]),
    ...(result.slower === null ? [] : labelled('slower', [result.slower])),
    ...(result.evidence === null ? [] : labelled('evidence', [result.evidence])),
  ];
  if (result.way === 'live') return lines;
  const last =
    proven === null
      ? 'never proven: no rollback of users on record, and no live drill that passed'
      : `last proven ${moment(proven.at)} (${ago(proven.at, now)}) by ${proven.by}`;
  return [...lines, ...labelled('not proven', [...UNPROVEN_BY_MIRROR, last])];
}

/** Stage by stage: the drill against those before it. */
export function compareLines(result: DrillResult, before: readonly DrillResult[]): string[] {
  const rows = stages.map((stage) =>
    stageRow(
      stage,
      result.took[stage],
      before.map((one) => one.took[stage]),
    ),
  );
  const whole = stageRow(
    'whole',
    result.exposedMs,
    before.map((one) => one.exposedMs),
  );
  return [
    `drill ${result.drill} against ${before.length} before it that passed the same way`,
    ...table([['stage', 'took', 'median before', 'longest before'], ...rows, whole], '  '),
    `  ${result.slower === null ? 'nothing is beyond the limits of its control chart' : result.slower}`,
  ];
}

function stageRow(name: string, ms: number | null, before: readonly (number | null)[]): string[] {
  const known = before.filter((value) => value !== null).sort((a, b) => a - b);
  const middle = known[Math.floor((known.length - 1) / 2)] ?? null;
  return [name, took(ms), took(middle), took(known.at(-1) ?? null)];
}
