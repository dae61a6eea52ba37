import { worthTelling } from '../render/explain';
import { fineClock, day, moment, span } from '../render/words';
import { numberOf, textOf } from '../story/facts';
import type { IncidentStory } from '../story/incident-story';
import type { Entry } from '../types';
import { list, tablePart, text, type ReportPart } from './document';
import { who } from './decided';

/** Date and time to the millisecond: steps lie close together, incidents over midnight. */
function exactly(ms: number): string {
  return `${day(ms)} ${fineClock(ms)}`;
}

/** Every step with its duration and how it ended. */
export function stepsTaken({ entries, times }: IncidentStory): ReportPart[] {
  const timed = new Set(entries.filter(({ kind }) => kind === 'step-succeeded').map(({ facts }) => stepOf(facts)));
  const rows = worthTelling(entries).flatMap((entry): string[][] => {
    const { kind, at, summary, facts } = entry;
    const version = textOf(facts, 'version') ?? '';
    switch (kind) {
      case 'step-succeeded': {
        const ms = numberOf(facts, 'ms');
        const began = ms === null ? '–' : exactly(at - ms);
        const note = textOf(facts, 'note') ?? '';
        return [[began, stepOf(facts), version, ms === null ? '–' : span(ms), note === '' ? 'done' : `done: ${note}`]];
      }
      case 'step-failed':
        return [['–', stepOf(facts), version, '–', `failed: ${textOf(facts, 'why') ?? summary}`]];
      case 'candidate-dropped':
        return [['–', stepOf(facts), version, '–', summary]];
      case 'traffic-shifted': {
        if (timed.has('shift')) return [];
        const { preparedAt, shiftedAt } = times;
        const own = at === shiftedAt && preparedAt !== null;
        return [[own ? exactly(preparedAt) : '–', 'shift', '', own ? span(at - preparedAt) : '–', summary]];
      }
      default:
        return [];
    }
  });
  return tablePart(['began', 'step', 'version', 'took', 'how it ended'], rows);
}

function stepOf(facts: Entry['facts']): string {
  return textOf(facts, 'step') ?? '?';
}

const bookkeeping = new Set<Entry['kind']>(['configured', 'evidence-kept']);

/** Everything in its order, with the number under which the ledger has it. */
export function sequence(entries: readonly Entry[], leftOut: number): ReportPart[] {
  const rows = worthTelling(entries, bookkeeping).map(({ seq, at, kind, summary, actor }) => [
    String(seq),
    exactly(at),
    kind,
    summary,
    who(actor),
  ]);
  return [
    ...(leftOut > 0
      ? [
          text(
            `It has so many entries that ${leftOut} from its middle are left out here; lastgood history --all has them.`,
          ),
        ]
      : []),
    ...tablePart(['entry', 'when (UTC)', 'kind', 'what happened', 'who'], rows),
  ];
}

const afterKinds = new Set<Entry['kind']>([
  'confirmed',
  'incident-ended',
  'cooldown-started',
  'cooldown-ended',
  'breaker-opened',
  'breaker-cleared',
  'instance-retired',
  'operator-act',
  'waiting-for-human',
  'deploy-decided',
  'deploy-settled',
  'bake-ended',
  'rollback-decided',
]);
export const askedAfterwards: readonly Entry['kind'][] = [...afterKinds];

/** What followed the settling, the incident's own entries first, then what the ledger has behind them. */
export function afterwards({ entries, times }: IncidentStory, behind: readonly Entry[]): ReportPart[] {
  const { settledAt } = times;
  const own = settledAt === null ? [] : entries.filter(({ at, kind }) => at >= settledAt && afterKinds.has(kind));
  const all = [...own, ...behind];
  if (all.length === 0) return [text('Nothing yet, by the ledger.')];
  return list(
    all.map(({ at, kind, summary, actor }) => {
      const by = actor.proof === 'lastgood' ? '' : `, ${who(actor)}`;
      return `${moment(at)}: ${inWords(kind)}${summary}${by}`;
    }),
  );
}

function inWords(kind: Entry['kind']): string {
  switch (kind) {
    case 'confirmed':
      return 'confirmed: ';
    case 'incident-ended':
      return 'the incident ended: ';
    case 'instance-retired':
      return 'copy retired: ';
    case 'cooldown-started':
      return 'cooldown: ';
    case 'breaker-opened':
      return 'the breaker opened: ';
    case 'breaker-cleared':
      return 'the breaker was ';
    case 'rollback-decided':
      return 'the next incident began: ';
    default:
      return '';
  }
}
