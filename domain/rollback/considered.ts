import type { Json } from '../ledger';
import type { ServiceState } from '../service/state';
import type { Ranking } from './candidates';
import { hasFigures, targetPolicy, weigh, type Weighed } from './order';

/** One entry has at most 12 KiB of facts, and the verdict, the plan and the changed state are among them. */
const CONSIDERED_CHARS = 4_000;
const FACTS_CHARS = 7_000;
const WHY_CHARS = 140;

const BEYOND = 'beyond the number of attempts';
const TOO_FAR = 'differs too much from the inputs of now to move there unasked';

type Facts = { readonly [key: string]: Json };

/**
 * Every version with the figures that the target was chosen by and the reason for or against it, for the ledger: those
 * that may be chosen in their order (`place`), then the others, newest first. What does not fit in is counted (`more`).
 * `facts` are what else the entry says. Under older rules nothing.
 */
export function considered(state: ServiceState, ranking: Ranking, now: number, facts: Facts = {}): Facts {
  if (!hasFigures(state)) return {};
  const { order, maxDistance } = targetPolicy(state);
  const { attempts } = state.policy;
  const refusedOf = new Map(ranking.refused.map(({ version, why }) => [version, why]));
  const placed = ranking.usable.filter(({ facts: { version } }) => !refusedOf.has(version));
  const leftOut = ranking.usable.filter(({ facts: { version } }) => refusedOf.has(version));
  const others = [...state.versions].reverse().flatMap((version) => {
    const why = refusedOf.get(version.version);
    const isUsable = ranking.usable.some(({ facts: { version: name } }) => name === version.version);
    return why === undefined || isUsable || version.version === state.declared?.primary
      ? []
      : [weigh(state, version, { warm: false, why }, now)];
  });
  const lines = [
    ...placed.map((one, at) => line(one, at + 1, at < attempts.maxCandidates ? one.why : `${one.why}; ${BEYOND}`)),
    ...leftOut.map((one) => line(one, null, `${one.why}; ${TOO_FAR}`)),
    ...others.map((one) => line(one, null, one.why)),
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
