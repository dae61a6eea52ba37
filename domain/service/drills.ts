import type { Drill, DrillEnding, DrillOrder, DrillOutcome, DrillReport } from '../drill';
import type { Actor, Json } from '../ledger';
import { instanceName, versionsInForce, type Backend, type RouteRecord, type Share } from '../route';
import { declare } from './declared-route';
import { drillInput, environmentAlarm, type DrillMessage } from './drill-check';
import { alertService, duration, usersNow } from './messages-for-people';
import { retire } from './retiring';
import type { ServiceState } from './state';
import type { Turn } from './turn';

/** A drill tells three things at most. */
const REPORTS_AHEAD = 3;

/** On top of the steps' own times, before it is called overdue. */
const SLACK_MS = 60_000;
/** How long copies may go to the good version, so that the way back is verified. */
const VERIFY_SLACK_MS = 30_000;

/**
 * A drill: decided here, run by its own workflow, which asks for each change of the route. The service stays the only
 * writer of the route, so a drill needs no block of epochs, and whatever ends it is a higher epoch than anything of it.
 */
export function startDrill(turn: Turn, message: DrillMessage, actor: Actor): string {
  const { state, now } = turn;
  const id = turn.nextOperationId('drill');
  const input = drillInput(state, message, id);
  const { validateMs, loadMs, probeMs, shiftMs } = input.steps;
  const prepareMs = input.instance === null ? 0 : validateMs + 2 * loadMs + probeMs;
  state.drill = {
    id,
    way: message.way,
    version: input.version,
    share: message.share,
    forMs: message.forMs,
    ...(message.expect && { expect: message.expect }),
    ...(message.degrade && { degrade: message.degrade }),
    phase: 'loading',
    lastNo: 0,
    deadlineAt: now + prepareMs + message.forMs + 3 * shiftMs + input.verify.verifyMaxMs + SLACK_MS,
  };
  const summary = `drill ${id} by ${actor.name}: ${drillWords(state.drill)}; ${message.reason}`;
  record(turn, 'drill-decided', summary, { ...factsOf(state.drill), reason: message.reason }, actor);
  turn.effect({ type: 'start-drill', input, summary: summary.slice(0, 180) }, 'hold');
  return `drill ${id} begins: ${drillWords(state.drill)}`;
}

export function onDrillReported(turn: Turn, report: DrillReport): void {
  const { state } = turn;
  const { drill } = state;
  const { what } = report;
  if (drill?.id !== report.drill) {
    if (what.type !== 'ended') order(turn, report.drill, { type: 'stop', why: 'it is over for the service' });
    return;
  }
  // Reports come in order; a number from far away is not one of the drill's.
  if (report.no <= drill.lastNo || report.no > drill.lastNo + REPORTS_AHEAD) return;
  state.drill = { ...drill, lastNo: report.no };
  if (what.type === 'loaded') return share(turn, state.drill, what.backend);
  if (what.type === 'detected') return leadBack(turn, state.drill, what);
  end(turn, state.drill, { ...what, fenced: false });
}

/** The worse version gets its share, with an end that the router enforces by itself. */
function share(turn: Turn, drill: Drill, backend: Backend | null): void {
  const { state, now } = turn;
  const { declared } = state;
  if (drill.phase !== 'loading' || !declared) return;
  const decided = state.versions.find((facts) => facts.version === drill.version)?.digest;
  if ((backend === null) !== (drill.degrade !== undefined) || (backend !== null && backend.digest !== decided))
    return end(turn, drill, {
      outcome: 'refused',
      why: 'the copy that was reported is not of the version that was decided on',
      fenced: true,
    });
  const until = now + drill.forMs;
  const backends = backend === null ? declared.backends : { ...declared.backends, [drill.version]: [backend] };
  const { way, share: weight, degrade, id, version } = drill;
  const wanted: Share = {
    version,
    weight: way === 'replay' ? 0 : weight,
    until,
    drill: id,
    ...(way !== 'live' && { mirror: true as const }),
    ...(degrade && { degrade }),
  };
  const next = { ...declared, share: wanted, epoch: state.nextEpoch, backends };
  declare(turn, next, now);
  state.drill = { ...drill, phase: 'running', sharedAt: now };
  record(turn, 'drill-shared', `drill ${id}: ${shareWords(drill)} until ${new Date(until).toISOString()}`, {
    drill: id,
    version,
    way,
    epoch: next.epoch,
    until,
  });
  // Nothing about it is urgent: it waits for its record, whatever a real incident would do.
  turn.effect({ type: 'apply-route', record: next }, 'hold');
  turn.effect({ type: 'order-drill', drill: id, order: { type: 'shared', epoch: next.epoch, until } }, 'hold');
}

/** The decision on the drill's own verdict: the way back, as an incident's would be decided. */
function leadBack(turn: Turn, drill: Drill, what: Extract<DrillReport['what'], { type: 'detected' }>): void {
  const { state, now } = turn;
  const { declared } = state;
  if (drill.phase !== 'running' || declared?.share?.drill !== drill.id) return;
  const { tier, metric, sentence, onsetAt, detectedAt } = what;
  const base = withoutShare(declared, now);
  // Users' requests go to the live version anyhow; of the others copies go there now, so that the way back is seen.
  const until = now + state.policy.verify.verifyMaxMs + VERIFY_SLACK_MS;
  const back: Share = {
    version: declared.primary,
    weight: declared.share.weight,
    until,
    drill: drill.id,
    mirror: true,
  };
  const next = { ...base, ...(drill.way !== 'live' && { share: back }), epoch: state.nextEpoch };
  declare(turn, next, now);
  state.drill = { ...drill, phase: 'returning', decidedAt: now };
  record(turn, 'drill-detected', `drill ${drill.id}: back to ${declared.primary}: ${sentence.slice(0, 600)}`, {
    drill: drill.id,
    version: drill.version,
    target: declared.primary,
    epoch: next.epoch,
    tier,
    metric,
    onsetAt,
    detectedAt,
  });
  turn.effect({ type: 'apply-route', record: next });
  order(turn, drill.id, { type: 'return', epoch: next.epoch, at: now });
}

/** A real incident, a person or a missing precondition ends it, by a fence first; looked at with every event. */
export function guardDrill(turn: Turn): void {
  const { state } = turn;
  const { drill, declared } = state;
  if (drill) {
    const why = realIncident(state, drill);
    if (why !== null) interruptDrill(turn, why);
  } else if (declared?.share?.drill !== undefined && mayDeclare(state)) {
    // Of a service workflow that was lost: nobody runs it any more.
    const next = { ...withoutShare(declared, turn.now), epoch: state.nextEpoch };
    declare(turn, next, turn.now);
    record(turn, 'drill-ended', `drill ${declared.share.drill} is over: nobody here knows of it`, {
      drill: declared.share.drill,
      outcome: 'overtaken',
    });
    order(turn, declared.share.drill, { type: 'stop', why: 'the service does not know it' });
    takeOff(turn, next, true);
    for (const { instance } of declared.backends[declared.share.version] ?? [])
      retire(turn, declared.share.version, instance, 'its drill is over');
  }
}

/** Whatever is real goes before: the share is off, by a higher epoch, before anything else is decided. */
export function interruptDrill(turn: Turn, why: string): void {
  const { drill } = turn.state;
  if (!drill) return;
  end(turn, drill, { outcome: 'overtaken', why, fenced: true });
}

/** The router did not take the record with the drill's share, or it did not reach its end in time. */
export function onDrillRefused(turn: Turn, epoch: number, why: string): void {
  const { drill, declared } = turn.state;
  if (drill?.phase !== 'running' || declared?.epoch !== epoch || declared.share?.drill !== drill.id) return;
  end(turn, drill, { outcome: 'refused', why: `the router: ${why}`, fenced: true });
}

export function endOverdueDrill(turn: Turn): void {
  const { drill } = turn.state;
  if (!drill || turn.now < drill.deadlineAt) return;
  end(turn, drill, { outcome: 'overdue', why: `it did not reach its end (it was ${drill.phase})`, fenced: true });
}

function realIncident(state: ServiceState, drill: Drill): string | null {
  const { declared, degradations, environment, operation, incident, fallbackInUse, standby } = state;
  const degraded = degradations.find(({ version, epoch }) => version === declared?.primary && epoch === declared.epoch);
  if (degraded) return `${degraded.verdict.metric} is degraded on the live version`;
  if (fallbackInUse) return `the router serves by its fallback ${fallbackInUse.version}`;
  if (operation) return `${operation.kind} ${operation.id} began`;
  if (incident) return `incident ${incident.id} is open`;
  const unusual = environmentAlarm(environment);
  if (unusual !== null) return `the environment is not as usual: ${unusual}`;
  if (state.live !== undefined && state.live.condition !== 'answers')
    return `${declared?.primary ?? '?'} does not answer`;
  if (state.pausedWhy !== null) return `paused: ${state.pausedWhy}`;
  if (state.pausedUntil !== null) return 'paused by a person';
  if (state.breaker.open) return 'the breaker is open';
  if (drill.way === 'live' && standby?.proof !== 'ok') return 'there is no proven standby any more';
  if (drill.way === 'live' && state.mode !== 'act') return `mode ${state.mode}`;
  return null;
}

type Ended = Partial<Omit<DrillEnding, 'outcome'>> & {
  readonly outcome: DrillOutcome;
  readonly why: string;
  readonly fenced: boolean;
};

function end(turn: Turn, drill: Drill, ended: Ended): void {
  const { state, now } = turn;
  const { declared } = state;
  const { outcome, why, fenced } = ended;
  state.drill = null;
  const inForce = declared?.share?.drill === drill.id && mayDeclare(state) ? declared : null;
  const next = inForce && { ...withoutShare(inForce, now), epoch: state.nextEpoch };
  if (next) declare(turn, next, now);
  record(turn, 'drill-ended', `drill ${drill.id} ${outcome}: ${why}`.slice(0, 900), {
    ...factsOf(drill),
    ...timesOf(drill, ended),
    outcome,
    why: why.slice(0, 500),
    answers: ended.answers ?? null,
    slower: ended.slower ?? null,
    evidence: ended.evidence ?? null,
    endedAt: now,
  });
  if (next) takeOff(turn, next, fenced);
  if (fenced) order(turn, drill.id, { type: 'stop', why: why.slice(0, 300) });
  // It may have been started before it failed; stopping what is not there does no harm.
  if (drill.degrade === undefined) {
    const instance = instanceName(state.service, drill.version, drill.id);
    retire(turn, drill.version, instance, `drill ${drill.id} is over`);
  }
  tell(turn, drill, ended);
}

function takeOff(turn: Turn, next: RouteRecord, fenced: boolean): void {
  if (fenced) turn.effect({ type: 'fence', epoch: next.epoch });
  turn.effect({ type: 'apply-route', record: next });
}

/** A record that somebody else wrote stays; a higher epoch would end the router's own move to its fallback. */
function mayDeclare({ pausedWhy, fallbackInUse }: ServiceState): boolean {
  return pausedWhy === null && fallbackInUse === null;
}

function withoutShare(declared: RouteRecord, now: number): RouteRecord {
  const { share, ...rest } = declared;
  if (!share) return declared;
  const inForce = versionsInForce(rest, now);
  const backends = Object.entries(rest.backends).filter(
    ([version]) => version !== share.version || inForce.includes(version),
  );
  return { ...rest, backends: Object.fromEntries(backends) };
}

function tell(turn: Turn, drill: Drill, { outcome, why, slower }: Ended): void {
  const { service } = turn.state;
  const overdue = outcome === 'overdue';
  if (outcome === 'overtaken' || outcome === 'refused' || (outcome === 'passed' && !slower)) return;
  alertService(turn, `${drill.id}/${outcome}`, {
    severity: overdue ? 'page' : 'ticket',
    title: overdue
      ? `${service}: drill ${drill.id} did not come to its end`
      : outcome === 'passed'
        ? `${service}: drill ${drill.id} passed, and was slower than the ones before`
        : `${service}: drill ${drill.id} ${outcome === 'failed' ? 'failed' : 'could measure nothing'}`,
    wrong: slower ? `${why}; ${slower}` : why,
    did: `Took the share of ${drill.version} off. Brakes, standings and the live version are as they were.`,
    users: usersNow(turn.state),
    must: overdue
      ? 'Now: see that the router obeys and that workers and hosts answer; a real rollback would go the same way.'
      : outcome === 'unmeasured'
        ? 'See that the service has traffic, or drill on a replay of recorded inputs.'
        : 'In working hours: find out which stage it was, before an incident needs it.',
    command: `lastgood drill show ${drill.id} --service ${service}`,
  });
}

/** Nobody reads the answer that a schedule gets: a rehearsal that never takes place must not go unnoticed. */
export function tellRefusedDrill(turn: Turn, actor: Actor, why: string): void {
  if (actor.proof !== 'lastgood') return;
  const { service } = turn.state;
  alertService(turn, `drill-refused/${why.slice(0, 40)}`, {
    severity: 'ticket',
    title: `${service}: a scheduled drill did not take place`,
    wrong: why,
    did: 'Nothing; the next one comes by its schedule.',
    users: usersNow(turn.state),
    must: 'In working hours: see whether what is in the way stays, and drill by hand once.',
    command: `lastgood drill run ${service} --reason '…'`,
  });
}

function order(turn: Turn, drill: string, given: DrillOrder): void {
  turn.effect({ type: 'order-drill', drill, order: given });
}

function record(
  turn: Turn,
  kind: 'drill-decided' | 'drill-shared' | 'drill-detected' | 'drill-ended',
  summary: string,
  facts: { readonly [key: string]: Json },
  actor?: Actor,
): void {
  turn.record(kind, summary, facts, { incident: null, ...(actor && { actor }) });
}

function factsOf({ id, way, version, share, forMs, expect, degrade }: Drill): { readonly [key: string]: Json } {
  return { drill: id, way, version, share, forMs, expect: expect ?? null, degrade: degrade ? { ...degrade } : null };
}

/** Moments, and for pipelines the time in which a live drill's version answered users. */
function timesOf({ sharedAt, decidedAt }: Drill, { times }: Ended): { readonly [key: string]: Json } {
  return {
    sharedAt: sharedAt ?? null,
    onsetAt: times?.onsetAt ?? null,
    detectedAt: times?.detectedAt ?? null,
    decidedAt: decidedAt ?? null,
    shiftedAt: times?.shiftedAt ?? null,
    restoredAt: times?.restoredAt ?? null,
  };
}

export function drillWords(drill: Pick<Drill, 'way' | 'version' | 'share' | 'forMs' | 'degrade'>): string {
  return `${shareWords(drill)}, for at most ${duration(drill.forMs)}`;
}

function shareWords({ way, version, share, degrade }: Pick<Drill, 'way' | 'version' | 'share' | 'degrade'>): string {
  const what = degrade ? `${version} made worse (${degradeWords(degrade)})` : version;
  const percent = `${Math.round(share * 1_000) / 10} %`;
  if (way === 'live') return `${percent} of users' requests to ${what}`;
  return way === 'mirror' ? `copies of ${percent} of the requests to ${what}` : `recorded inputs to ${what}`;
}

function degradeWords({ wrongShare, addedMs, truncateTo }: NonNullable<Drill['degrade']>): string {
  return [
    wrongShare === undefined ? '' : `${Math.round(wrongShare * 100)} % wrong answers`,
    addedMs === undefined ? '' : `${addedMs} ms later`,
    truncateTo === undefined ? '' : `cut to ${truncateTo}`,
  ]
    .filter(Boolean)
    .join(', ');
}
