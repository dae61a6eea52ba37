import type { Replay } from '../../workers/replay/replay';
import { metricValue, moment, number, span, table } from './words';

type Decision = Replay['decisions'][number];

/** What a policy would have done, as a colleague would say it before it is let loose. */
export function renderReplay(replay: Replay): string[] {
  const { service, source, fromMs, toMs, rows, values, segments, decisions, verdicts, breakerOpenedAt, notes } = replay;
  const moved = decisions.filter(({ what }) => what !== 'hold');
  const head =
    moved.length === 0
      ? `${service}: nothing would have been rolled back`
      : `${service}: ${moved.length === 1 ? 'one rollback' : `${moved.length} rollbacks`} would have been ${moved.every(({ what }) => what === 'ask') ? 'proposed' : 'made'}`;
  return [
    `${head} between ${moment(fromMs)} and ${moment(toMs)} (${span(toMs - fromMs)}, mode ${replay.mode})`,
    '',
    ...decisions.flatMap((decision) => [...tell(decision), '']),
    ...(breakerOpenedAt === null
      ? []
      : [`The breaker opens at ${moment(breakerOpenedAt)}: a person would have to clear it.`, '']),
    'Read',
    ...table([
      ['  record', `${source}: ${rows} rows, ${values} values from outside`],
      ['  served', segments.map(({ version, fromMs: since }) => `${version} from ${moment(since)}`).join(', ')],
      ['  verdicts', verdicts.length === 0 ? 'none began' : verdicts.map(verdictLine).join(', ')],
    ]),
    ...notes.map((note) => `  not known: ${note}`),
  ];
}

function verdictLine({ metric, at, ended }: Replay['verdicts'][number]): string {
  return `${metric} at ${moment(at)}${ended === null ? '' : ` for ${span(ended - at)}`}`;
}

function tell(decision: Decision): string[] {
  const { at, what, why, version, verdict, attribution, procedure } = decision;
  const { metric, tier, observed, expected, unit, samples, sinceMs, onsetMs, sentence, statistic } = verdict;
  const limit = verdict.lcl !== null && (observed ?? 0) < verdict.lcl ? verdict.lcl : (verdict.ucl ?? verdict.lcl);
  const value = (amount: number | null): string => metricValue(metric, amount, unit);
  const words = {
    'roll-back': 'would roll back from',
    ask: 'would ask to roll back from',
    hold: 'would hold',
  } as const;
  return [
    `${moment(at)}  ${words[what]} ${version} (${tier}, ${procedure})${why === '' ? '' : `: ${why}`}`,
    `  ${sentence}`,
    `  ${metric}: observed ${value(observed)}, expected ${value(expected)}, limit ${value(limit)}, ${samples} samples${sinceMs === null ? '' : ` since ${moment(sinceMs)}`}`,
    `  ${onsetMs === null ? 'no onset could be estimated' : `began at about ${moment(onsetMs)}, ${span(at - onsetMs)} before`}; ${statistic.name} ${number(statistic.value)}, alarm at ${number(statistic.threshold)}; cause ${attribution}`,
  ];
}
