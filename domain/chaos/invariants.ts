import type { CheckedInvariant, Experiment } from './experiment';
import type { Observations, SeenEntry } from './observations';

/** `holds` null: nothing was seen that could tell. */
export interface InvariantReading {
  readonly invariant: CheckedInvariant;
  readonly holds: boolean | null;
  readonly why: string;
}

type Reading = Pick<InvariantReading, 'holds' | 'why'>;

/** What a run says of one invariant of the design, read from what was seen from outside. */
export function readInvariant(
  invariant: CheckedInvariant,
  experiment: Experiment,
  seen: Observations,
): InvariantReading {
  return { invariant, ...readings[invariant](seen, experiment) };
}

const readings: Readonly<Record<CheckedInvariant, (seen: Observations, experiment: Experiment) => Reading>> = {
  I1: provenTargets,
  I2: oneChangeAtATime,
  I4: decidedBeforeEffect,
  I5: oldStaysUntilVerified,
  I6: nothingLost,
  I8: nothingBarred,
  I9: comesToAnEnd,
  I12: routesAgree,
};

const yes = (why: string): Reading => ({ holds: true, why });
const no = (why: string): Reading => ({ holds: false, why });
const unseen = (why: string): Reading => ({ holds: null, why });

/** Moves of the primary, oldest first. */
function movesIn(entries: readonly SeenEntry[]): { seq: number; to: string }[] {
  return entries.flatMap(({ kind, facts, seq }) =>
    kind === 'traffic-shifted' && typeof facts['to'] === 'string' && typeof facts['from'] === 'string'
      ? [{ seq, to: facts['to'] }]
      : [],
  );
}

function provenTargets({ entries, routes, before }: Observations): Reading {
  const proven = new Set(routes.flatMap((look) => (look.proven === null ? [] : [look.proven])));
  for (const { seq, to } of movesIn(entries)) {
    const probed = entries.some(
      (entry) =>
        entry.seq < seq &&
        entry.kind === 'step-succeeded' &&
        entry.facts['step'] === 'probe' &&
        entry.facts['version'] === to,
    );
    if (!probed && !proven.has(to) && to !== before)
      return no(`the traffic went to ${to}, which was neither probed in this run nor a proven standby`);
  }
  return yes('the traffic went only to what was probed or proven');
}

function oneChangeAtATime({ routes }: Observations): Reading {
  if (routes.length === 0) return unseen('the route was never read');
  let last = -1;
  for (const { observed } of routes) {
    if (observed === null) continue;
    if (observed.epoch < last) return no(`the router went from epoch ${last} back to ${observed.epoch}`);
    last = observed.epoch;
  }
  return last < 0 ? unseen('the router was never read') : yes(`the epoch of the router never went back (now ${last})`);
}

function decidedBeforeEffect({ chain, entries }: Observations): Reading {
  if (chain === null) return unseen('the ledger could not be verified');
  if (!chain.whole) return no(`the chain of the ledger is broken: ${chain.why}`);
  const decisions = ['rollback-decided', 'deploy-decided', 'fallback-began', 'foreign-change'];
  for (const { seq, to } of movesIn(entries))
    if (!entries.some((entry) => entry.seq < seq && decisions.includes(entry.kind)))
      return no(`the move to ${to} has no decision before it in the ledger`);
  return yes('the chain is whole, and every move has its decision before it');
}

function oldStaysUntilVerified({ entries, before }: Observations): Reading {
  const retired = entries.find(({ kind, facts }) => kind === 'instance-retired' && facts['version'] === before);
  if (retired === undefined) return yes('no copy of the version that was live before was stopped');
  const verified = entries.some(
    (entry) => entry.seq < retired.seq && entry.kind === 'step-succeeded' && entry.facts['step'] === 'verify',
  );
  return verified
    ? yes('the version that was live before was stopped only after verify')
    : no(`a copy of ${before ?? '?'} was stopped before anything was verified`);
}

function nothingLost({ users }: Observations, { expect }: Experiment): Reading {
  if (users === null || users.sent === 0) return unseen('no counted request was sent');
  return users.lost > expect.lostAtMost
    ? no(`${users.lost} of ${users.sent} requests got no answer, at most ${expect.lostAtMost} may`)
    : yes(`${users.lost} of ${users.sent} requests got no answer`);
}

function nothingBarred({ routes }: Observations): Reading {
  let former: string | null = null;
  for (const { declared, barred } of routes) {
    if (declared === null) continue;
    // One that is barred while it serves was left by the decision that barred it; what counts is that nothing goes there.
    if (former !== null && declared.primary !== former && barred.includes(declared.primary))
      return no(`${declared.primary} was made primary although it may not be chosen`);
    former = declared.primary;
  }
  return former === null ? unseen('the declared route was never read') : yes('nothing barred was made primary');
}

function comesToAnEnd({ outcome, entries }: Observations): Reading {
  const began = entries.filter(({ kind }) => kind === 'rollback-decided').length;
  if (began === 0) return yes('no rollback began');
  return outcome === null ? no('the rollback came to no end in time') : yes(`the rollback ended: ${outcome}`);
}

function routesAgree({ routes }: Observations): Reading {
  const last = routes.at(-1);
  if (!last?.declared || !last.observed) return unseen('declared and observed route were not both read at the end');
  const { declared, observed } = last;
  return declared.epoch === observed.epoch && declared.primary === observed.primary
    ? yes(`declared and observed route agree (${observed.primary}, epoch ${observed.epoch})`)
    : no(
        `declared: ${declared.primary}, epoch ${declared.epoch}; in the router: ${observed.primary}, epoch ${observed.epoch}`,
      );
}
