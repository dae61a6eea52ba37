import { day, percent, plural, span, table } from '../render/words';
import { stages } from '../drills/results';
import {
  estimateMin,
  type DrillExposure,
  type Gain,
  type ServiceExposure,
  type Spread,
  type TierExposure,
} from './summary';
import { parts } from './timings';

/** What each part costs, and what would be gained, as lines. */
export function renderExposure({
  service,
  sinceMs,
  incidents,
  unsettled,
  leftOut,
  tiers,
  gains,
  drills,
}: ServiceExposure): string[] {
  const open = unsettled === 0 ? '' : `; ${plural(unsettled, 'rollback')} decided and not settled, in no figure`;
  const older = leftOut === 0 ? '' : `; ${plural(leftOut, 'older one')} left out`;
  const head = `${service}: ${plural(incidents, 'incident')} since ${day(sinceMs)} that were rolled back and settled${open}${older}`;
  if (incidents === 0) return [head, '  nothing to time yet', ...drillLines(drills)];
  return [
    head,
    ...tiers.flatMap(tierLines),
    '',
    '  What would be gained (estimates from the same incidents, at the median)',
    ...(gains.length === 0 ? ['    nothing to estimate: no window to shorten, and nothing had to be loaded'] : []),
    ...gains.map((one) => `    ${gainText(one)}`),
    ...(tiers.some(({ incidents: n }) => n < 100)
      ? ['  p99 of fewer than 100 incidents lies at or near the slowest one']
      : []),
    ...drillLines(drills),
  ];
}

/** Told apart: what was made on purpose says nothing about how often or how long users had it. */
function drillLines({ ways, others, leftOut }: ServiceExposure['drills']): string[] {
  const total = ways.reduce((sum, { drills }) => sum + drills, 0);
  if (total + others === 0) return [];
  const rest = others === 0 ? '' : `; ${plural(others, 'other one')} did not pass, in no figure`;
  const older = leftOut === 0 ? '' : `; ${plural(leftOut, 'older one')} left out`;
  return ['', `  Drills: ${total} passed${rest}${older}`, ...ways.flatMap(wayLines)];
}

function wayLines({ way, drills, parts: spreads, exposed }: DrillExposure): string[] {
  const rows = stages.map((stage) => row(stage, spreads[stage]));
  return [
    '',
    `  ${way}: ${plural(drills, 'drill')}`,
    ...table([['', 'p50', 'p99', 'n'], ...rows, row('onset to restored', exposed)], '    '),
  ];
}

function tierLines({ tier, incidents, parts: spreads, load, exposed }: TierExposure): string[] {
  const rows = parts.flatMap((part) => [
    row(part, spreads[part]),
    ...(part === 'prepare' ? [row('  of it load', load)] : []),
  ]);
  return [
    '',
    `  ${tier}: ${plural(incidents, 'incident')}`,
    ...table([['', 'p50', 'p99', 'n'], ...rows, row('onset to shift', exposed)], '    '),
  ];
}

function row(name: string, { n, p50, p99 }: Spread): string[] {
  return [name, p50 === null ? 'not known' : span(p50), p99 === null ? 'not known' : span(p99), String(n)];
}

const names: Readonly<Record<Gain['by'], string>> = {
  'shorter-window':
    'a window half as long (at most; it alarms more often by chance: try it with lastgood replay --policy)',
  'warm-standby': 'a warm standby where one had to be loaded',
  'faster-load': 'a load twice as fast',
};

function gainText({ by, tier, n, gainMs, share }: Gain): string {
  const what = `${tier}: ${names[by]}`;
  if (gainMs === null) return `${what}: too few to say (${plural(n, 'incident')}, from ${estimateMin} on)`;
  const of = share === null ? '' : `, ${percent(share)} of the exposure`;
  return `${what}: ${span(gainMs)}${of} (n = ${n})`;
}
