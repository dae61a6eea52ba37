import type { Json } from '../ledger';
import type { ServiceState } from '../service/state';
import type { Ranking } from './candidates';
import { hasFigures, targetPolicy, weigh, type Weighed } from './order';

/** One entry has at most 12 KiB of facts, and the verdict, the plan and the changed state are among them. */
const CONSIDERED_CHARS = 4_000;
const FACTS_CHARS = 7_000;
const WHY_CHARS = 140;

type Facts = { readonly [key: string]: Json };

/**
 * Every version with the figures that the target was chosen by and the reason for or against it, for the ledger: those
 * that may be chosen in their order (`place`), then the others, newest first. What does not fit in is counted (`more`).
 * `facts` are what else the entry says. Under older rules nothing.
 */
export function considered(state: ServiceState, ranking: Ranking, now: number, facts: Facts = {}): Facts {
  if (!hasFigures(state)) return {};
  const { order, maxDistance } = targetPolicy(state);
  const refusedOf = new Map(ranking.refused.map(({ version, why }) => [version, why]));
  const placed = ranking.usable.filter(({ facts: { version } }) => !refusedOf.has(version));
  const others = [...state.versions]
    .reverse()
    .filter(({ version }) => refusedOf.has(version) && version !== state.declared?.primary)
    .map((version) => weigh(state, version, false, now));
  const whyOf = new Map(ranking.candidates.map(({ version, why }) => [version, why]));
  const lines = [
    ...placed.map((weighed, at) => line(weighed, at + 1, whyOf.get(weighed.facts.version) ?? 'beyond the attempts')),
    ...others.map((weighed) => line(weighed, null, refusedOf.get(weighed.facts.version) ?? '')),
  ];
  let room = Math.min(CONSIDERED_CHARS, Math.max(0, FACTS_CHARS - JSON.stringify(facts).length));
  const told = lines.filter((one) => (room -= JSON.stringify(one).length + 1) >= 0);
  return {
    considered: {
      order,
      maxDistance,
      versions: told,
      ...(told.length < lines.length && { more: lines.length - told.length }),
      ...(ranking.noneFits !== null && { noneFits: ranking.noneFits }),
    },
  };
}

function line({ facts, figures, fit, band, warm }: Weighed, place: number | null, why: string): Facts {
  const { version, standing, human, lastGoodAt, importedAt } = facts;
  const { accuracy, weakest } = figures ?? {};
  return {
    version,
    place,
    why: why.slice(0, WHY_CHARS),
    standing,
    fit: typeof fit === 'string' ? fit : { band, distance: fit.distance, field: fit.field, mean: fit.mean, n: fit.n },
    ...(accuracy !== undefined && { accuracy }),
    ...(weakest && { weakest: weakest[0], recall: weakest[1] }),
    ...(warm && { warm }),
    ...(human && { human: human.by.slice(0, 32) }),
    ...(lastGoodAt !== null && { lastGoodAt }),
    importedAt,
  };
}
