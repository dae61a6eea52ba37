import type { StandingVerdict, TierReading } from '../contract/activities';
import type { DetectionState, StandingEntry } from '../contract/inputs';

export function initialDetection(): DetectionState {
  return {
    route: null,
    applied: null,
    cursor: 0,
    watchCharts: {},
    windowCharts: {},
    trendCharts: {},
    standing: [],
    ended: [],
    baseline: null,
    baselineAt: 0,
    baselineOf: null,
    anchors: {},
    goodPeriods: [],
    goodSince: null,
    tiers: { watch: [], 'short-window': [], trend: [] },
    unmeasuredSince: null,
    environment: [],
    onFallback: false,
    standbyKnown: null,
    nextWindowAt: 0,
    nextTrendAt: 0,
  };
}

const STANDING_MAX = 20;
const ENDED_MAX = 40;

/**
 * One verdict a metric: when a second source finds a metric that stands already, the verdict stays what it is, and ends
 * when the second source says so (the watch sees an end sooner than a window does).
 */
export function withBegan(
  standing: readonly StandingEntry[],
  began: readonly StandingVerdict[],
  found: Pick<StandingEntry, 'version' | 'source'> & {
    readonly causes: Readonly<Record<string, StandingEntry['cause']>>;
  },
): readonly StandingEntry[] {
  let all = standing;
  for (const { id, verdict } of began) {
    const known = all.find((entry) => entry.verdict.metric === verdict.metric);
    if (known) {
      const moved = found.source === 'watch' ? { ...known, source: found.source, endsWith: id } : known;
      all = all.map((entry) => (entry === known ? moved : entry));
      continue;
    }
    const { version, source } = found;
    all = [...all, { id, verdict, version, source, endsWith: id, cause: found.causes[id] ?? null, told: null }];
  }
  return all.slice(-STANDING_MAX);
}

/** Takes what ended out of what stands; the service hears of those that it was told of. */
export function withEnded(
  state: Pick<DetectionState, 'standing' | 'ended'>,
  ended: readonly { readonly id: string; readonly at: number; readonly sentence: string }[],
  epoch: number,
): Pick<DetectionState, 'standing' | 'ended'> {
  const over = state.standing.flatMap((entry) => {
    const end = ended.find(({ id }) => id === entry.endsWith || id === entry.id);
    return end ? [{ entry, end }] : [];
  });
  const told = over
    .filter(({ entry }) => entry.told !== null)
    .map(({ entry, end }) => ({ id: entry.id, epoch, at: end.at, sentence: end.sentence }));
  return {
    standing: state.standing.filter((entry) => !over.some((one) => one.entry === entry)),
    ended: [...state.ended, ...told].slice(-ENDED_MAX),
  };
}

/** One line a metric and tier: the newest reading of whoever measured it; what stands is degraded whoever looks. */
export function readingsOf(state: Pick<DetectionState, 'tiers' | 'standing'>): TierReading[] {
  const newest = new Map<string, TierReading>();
  for (const reading of [...state.tiers['short-window'], ...state.tiers.watch, ...state.tiers.trend]) {
    const key = `${reading.tier}/${reading.metric}`;
    const known = newest.get(key);
    if (!known || better(reading, known)) newest.set(key, reading);
  }
  const standing = new Set(state.standing.map(({ verdict }) => verdict.metric));
  return [...newest.values()].map((reading) =>
    standing.has(reading.metric) && reading.tier !== 'trend' ? { ...reading, kind: 'degraded' as const } : reading,
  );
}

/** Decided beats undecided, then newer beats older. */
function better(reading: TierReading, known: TierReading): boolean {
  const decided = (kind: TierReading['kind']): number => (kind === 'ok' || kind === 'degraded' ? 1 : 0);
  return (
    decided(reading.kind) - decided(known.kind) > 0 ||
    (decided(reading.kind) === decided(known.kind) && reading.at >= known.at)
  );
}
