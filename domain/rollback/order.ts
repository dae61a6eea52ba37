import type { TargetOrder, TargetPolicy } from '../policy';
import type { ServiceState, VersionFacts, VersionFigures } from '../service/state';
import { FIT_FRESH_MS, type NoFit, type ProfileFit } from './input-fit';

/** Where a policy of an older release says nothing. */
export const DEFAULT_TARGET: TargetPolicy = { order: 'previous', maxDistance: 0.25, measureEveryMs: 600_000 };

/** From this number on the target is chosen by figures, and its decision tells them. */
const RULES_WITH_FIGURES = 2;

/** Distances closer than this are equal: the next criterion decides, not the noise of the samples. */
const DISTANCE_STEP = 0.05;
const MEAN_STEP = 0.02;
/** Accuracies and recalls closer than half a point are equal. */
const RATE_STEP = 0.005;

/** One version as it stands in the order. */
export interface Weighed {
  readonly facts: VersionFacts;
  readonly figures: VersionFigures | null;
  readonly fit: ProfileFit | NoFit | 'stale' | 'not-measured';
  /** `unmeasured` stands between the two: it is neither (I10). */
  readonly band: 'fits' | 'unmeasured' | 'differs';
  readonly warm: boolean;
  /** What its place rests on, or why it may not be chosen. */
  readonly why: string;
}

type Criterion = 'suspect' | 'warm' | 'vouched' | 'proven' | 'good' | 'fit' | 'evaluation' | 'imported';

/** What decides, in this order; versions that are equal in one are told apart by the next. */
const ORDERS: Readonly<Record<TargetOrder, readonly Criterion[]>> = {
  previous: ['suspect', 'proven', 'good', 'evaluation', 'warm', 'imported'],
  'closest-profile': ['suspect', 'fit', 'proven', 'evaluation', 'warm', 'good', 'imported'],
  'human-validated': ['suspect', 'vouched', 'proven', 'good', 'evaluation', 'warm', 'imported'],
  'newest-validated': ['suspect', 'imported'],
};

export function hasFigures({ rules }: Pick<ServiceState, 'rules'>): boolean {
  return rules >= RULES_WITH_FIGURES;
}

export function targetPolicy(state: ServiceState): TargetPolicy {
  return hasFigures(state) ? (state.policy.target ?? DEFAULT_TARGET) : DEFAULT_TARGET;
}

export function weigh(
  state: ServiceState,
  facts: VersionFacts,
  { warm, why }: Pick<Weighed, 'warm' | 'why'>,
  now: number,
): Weighed {
  const figures = (hasFigures(state) ? state.figures?.[facts.version] : undefined) ?? null;
  const fit = fitOf(state, figures, now);
  const measured = typeof fit === 'object';
  const band = !measured ? 'unmeasured' : fit.distance <= targetPolicy(state).maxDistance ? 'fits' : 'differs';
  return { facts, figures, fit, band, warm, why };
}

function fitOf(state: ServiceState, figures: VersionFigures | null, now: number): Weighed['fit'] {
  const fit = figures?.fit;
  if (typeof fit === 'object') return now - fit.at <= FIT_FRESH_MS ? fit : 'stale';
  return fit ?? (state.samples ? 'not-measured' : 'samples-off');
}

/**
 * A total order: two versions are never equal, and the order of the list that they come from does not matter. In an
 * emergency a copy that runs and is proven goes first, but for `previous`, whose first one is what a standby is kept of.
 */
export function compareFor(state: ServiceState, emergency: boolean): (left: Weighed, right: Weighed) => number {
  const { order } = targetPolicy(state);
  const [suspect, ...rest] = ORDERS[order];
  const criteria: readonly (Criterion | undefined)[] =
    emergency && order !== 'previous' ? [suspect, 'warm', ...rest] : ORDERS[order];
  const least = state.policy.validated;
  return (left, right) => {
    for (const criterion of criteria) {
      const places = criterion === undefined ? [] : placesBy(criterion, left, least);
      const others = criterion === undefined ? [] : placesBy(criterion, right, least);
      for (const [at, place] of places.entries()) if (place !== others[at]) return place - (others[at] ?? 0);
    }
    return left.facts.version < right.facts.version ? -1 : left.facts.version > right.facts.version ? 1 : 0;
  };
}

/** Numbers that are compared one after the other; the smaller one is better. */
function placesBy(
  criterion: Criterion,
  { facts, figures, fit, band, warm }: Weighed,
  least: ServiceState['policy']['validated'],
): readonly number[] {
  switch (criterion) {
    case 'suspect':
      return [facts.standing === 'suspect' ? 1 : 0];
    case 'warm':
      return [warm ? 0 : 1];
    case 'vouched':
      return [-(facts.human?.at ?? 0)];
    case 'proven':
      return [facts.lastGoodAt === null ? 1 : 0];
    case 'good':
      return [-(facts.lastGoodAt ?? facts.importedAt)];
    case 'fit': {
      const place = { fits: 0, unmeasured: 1, differs: 2 }[band];
      if (typeof fit !== 'object') return [place, 0, 0];
      return [place, steps(fit.distance, DISTANCE_STEP), steps(fit.mean, MEAN_STEP)];
    }
    case 'evaluation': {
      // Without a report a person's word admits it: it counts as what is just good enough, no better and no worse.
      const { accuracy = least.minAccuracy, weakest = ['', least.minRecall] } = figures ?? {};
      return [-steps(accuracy, RATE_STEP), -steps(weakest[1], RATE_STEP)];
    }
    case 'imported':
      return [-facts.importedAt];
  }
}

function steps(value: number, step: number): number {
  return Math.floor(value / step + 1e-9);
}
