import { Context } from '@temporalio/activity';
import { sameRoute, type Backend, type RouteRecord } from '../domain/route';
import type { ApplyResult, RouterState } from '../gateway/protocol';
import type { RouterActivities, ShiftOutcome, StepOutcome } from '../workflows/contract/activities';
import { engineOn } from './engine-on';
import { askedAgain, messageOf, within } from './failures';
import { askProbe, lookAt } from './golden-probes';
import type { ArtifactStore, Engine, ServiceStanding, StandingView, TrafficRouter } from './ports';

type Input = Parameters<RouterActivities['shiftTraffic']>[0];
interface Ports {
  readonly router: TrafficRouter;
  readonly standing: ServiceStanding;
  readonly artifacts: ArtifactStore;
  readonly engine: (service: string) => Engine;
}

/** All on one host and on the users' clock: what takes longer than these is down. */
const readTimeoutMs = 1_500;
/** The standing is a query to a workflow that is at work at this moment, and the users wait for it. */
const standingLimits = { againAfterMs: 300, limitMs: readTimeoutMs };
const lookTimeoutMs = 1_000;
const seenTimeoutMs = 1_000;
/** An attempt this close to its end may have been given up already by those who wait for it. */
const marginMs = 500;

/** The attempt took so long that another one may be under way. Nothing was applied. */
export class AttemptTooLate extends Error {
  override readonly name = 'AttemptTooLate';
}

/**
 * The one effect that moves users. Re-reads what the service decided, looks at the target once more, applies, reads back,
 * and looks for the version in an answer. Idempotent by the epoch: an attempt whose answer was lost finds its record in
 * force and says so, whatever was decided since.
 */
export function shiftTraffic(ports: Ports): RouterActivities['shiftTraffic'] {
  return async (input) => {
    const beganAt = Date.now();
    const { record, service } = input;
    const [state, view, looked] = await Promise.all([
      within(readTimeoutMs, `the route of ${service}`, ports.router.read(service)),
      askedAgain(standingLimits, `the standing of ${service}`, () => ports.standing.read(service)),
      lookTwice(ports, input),
    ]);
    // In force on one of several routers only: applying it again is what brings it to the others.
    const everywhere = (state.differing ?? []).length === 0;
    if (everywhere && state.record !== null && sameRoute(state.record, record)) {
      return await inForce(ports, input, state);
    }
    const forbidden = forbiddenBy(view, input, Date.now());
    if (forbidden !== null) return { outcome: 'stopped', why: forbidden };
    const barred = barredTarget(view, input);
    // The next candidate may still be used; the operation is not over for it.
    if (barred !== null) return { outcome: 'unready', why: barred };
    if (!looked.ok) return { outcome: 'unready', why: looked.why };
    refuseLateAttempt(beganAt);
    const applied = await ports.router.apply(record);
    if (applied.applied && applied.missing !== undefined) {
      return { outcome: 'partial', at: applied.persistedAt, why: partialWords(record, applied.missing, state) };
    }
    if (applied.applied) return await readBack(ports, input, applied.persistedAt);
    const why = `${applied.why}: ${applied.detail} (record ${record.epoch}, in force ${applied.epoch}, floor ${applied.floor})`;
    // A higher epoch or a raised floor is a newer decision of the service.
    const overtaken = applied.why === 'stale-epoch' || applied.why === 'below-floor';
    return { outcome: overtaken ? 'stopped' : 'refused', why };
  };
}

/** Which router serves what, as far as that is known. */
function partialWords(
  { epoch, primary }: RouteRecord,
  missing: NonNullable<Extract<ApplyResult, { applied: true }>['missing']>,
  before: RouterState,
): string {
  const last = before.record;
  const others = missing.map(({ router, why }) => {
    const known = before.differing?.find((one) => one.router === router);
    const record = known === undefined ? last : known.record;
    const served =
      record === null ? 'what it serves is not known' : `it served ${record.primary} (epoch ${record.epoch})`;
    return `router ${router} has not taken it (${why}), ${served}`;
  });
  return `partial: epoch ${epoch} with ${primary} is in force, but ${others.join('; ')}`.slice(0, 900);
}

/** Why the service's own decisions forbid this record now; null when they do not. */
export function forbiddenBy(view: StandingView, input: Input, now: number): string | null {
  const { record } = input;
  const { grant } = view;
  if (grant === null || record.epoch < grant.from || record.epoch > grant.to) {
    const granted = grant === null ? 'nothing is granted' : `granted are ${grant.from} to ${grant.to}`;
    return `epoch ${record.epoch} is not granted any more (${granted})`;
  }
  if (view.breakerOpen && !input.allowBreakerOpen) return `the breaker is open (epoch ${view.breakerEpoch})`;
  if (!input.allowPaused && view.pausedUntil !== null && view.pausedUntil > now) {
    return `the service is paused until ${new Date(view.pausedUntil).toISOString()}`;
  }
  if (view.pausedWhy !== null && !input.allowDisagreement) return `the service is paused: ${view.pausedWhy}`;
  return null;
}

/** Why the version may get no traffic although it was chosen; null when it may. */
function barredTarget(view: StandingView, { record, returnsTo }: Input): string | null {
  // Nobody gets traffic by it.
  if (record.gap) return null;
  const target = targetOf(record);
  const unusable = view.unusable.find(({ version }) => version === target);
  if (unusable === undefined) return null;
  // Quarantined because it was left; that it is the safest state was decided before.
  if (returnsTo === target && unusable.standing === 'quarantined') return null;
  return `${target} may not be used: ${unusable.why}`;
}

/** Who gets traffic that it did not have: the share where there is one, else the primary. */
function targetOf(record: RouteRecord): string {
  return record.share?.version ?? record.primary;
}

/** Once more on failure: one slow answer of a loaded machine must not cost the users a whole candidate. */
async function lookTwice(ports: Ports, { record, service, model }: Input): Promise<StepOutcome> {
  const version = targetOf(record);
  const backends = record.backends[version] ?? [];
  if (record.gap) return { ok: true };
  if (backends.length === 0) return { ok: false, why: `the record names no copy of ${version}` };
  const look = async (backend: Backend): Promise<StepOutcome> => {
    const asked = {
      engine: engineOn(ports.engine(service), backend),
      address: backend.address,
      model,
      timeoutMs: lookTimeoutMs,
    };
    const expected = { digest: backend.digest, version };
    const first = await lookAt(asked, expected);
    const seen = first.ok ? first : await lookAt(asked, expected);
    return seen.ok ? seen : { ok: false, why: `${backend.instance}: ${seen.why}` };
  };
  const seen = await Promise.all(backends.map(look));
  return seen.find((outcome) => !outcome.ok) ?? { ok: true };
}

function refuseLateAttempt(beganAt: number): void {
  const { startToCloseTimeoutMs } = Context.current().info;
  const age = Date.now() - beganAt;
  if (age > startToCloseTimeoutMs - marginMs) {
    throw new AttemptTooLate(`the looks before the shift took ${age} ms of ${startToCloseTimeoutMs} ms`);
  }
}

/** The record is in force already: applied by an attempt whose answer was lost. */
async function inForce(ports: Ports, input: Input, state: RouterState): Promise<ShiftOutcome> {
  const at = state.inForceSince ?? Date.now();
  return { ...shifted(input, at, true), seenInTraffic: await seenInTraffic(ports, input) };
}

async function readBack(ports: Ports, input: Input, at: number): Promise<ShiftOutcome> {
  const [same, seen] = await Promise.all([isInForce(ports, input), seenInTraffic(ports, input)]);
  return { ...shifted(input, at, same), seenInTraffic: seen };
}

/** Its failure changes nothing: the router has said that the record is on disk and in force. */
async function isInForce({ router }: Ports, { service, record }: Input): Promise<boolean> {
  try {
    const { record: found } = await within(readTimeoutMs, `the route of ${service}`, router.read(service));
    return found !== null && sameRoute(found, record);
  } catch {
    return false;
  }
}

/** Version that answers at the entrance; null when nothing could be asked there. The verify step judges, not this one. */
async function seenInTraffic(ports: Ports, { service, record, model }: Input): Promise<string | null> {
  if (record.gap) return null;
  try {
    const [probe] = await ports.artifacts.probes(service, record.primary);
    if (probe === undefined) return null;
    const { address, probeHeaders } = await ports.router.entrance(service);
    const asked = { engine: ports.engine(service), address, model, timeoutMs: seenTimeoutMs, headers: probeHeaders };
    const answer = await within(seenTimeoutMs, 'a probe at the entrance', askProbe(asked, probe));
    return answer.ok ? answer.answeredBy : null;
  } catch (error) {
    Context.current().log.warn('the shift could not be seen in traffic', { error: messageOf(error) });
    return null;
  }
}

function shifted(
  { record }: Input,
  at: number,
  readBack: boolean,
): Omit<Extract<ShiftOutcome, { outcome: 'shifted' }>, 'seenInTraffic'> {
  return { outcome: 'shifted', epoch: record.epoch, at, readBack };
}
