import { keepCalm } from './brakes';
import { guardDrill, onDrillReported } from './drills';
import type { Command } from './commands';
import { decide } from './decide';
import { detectionView, tellDetection } from './detection-view';
import type { ServiceEvent } from './events';
import { followServing } from './foreign-changes';
import type { Answer } from './messages';
import { check } from './check';
import { unverifiedActor } from './messages';
import { alertService, usersNow } from './messages-for-people';
import { deploy, onMessage } from './operator-acts';
import { keepReplicas } from './replicas';
import { onOperationAsked, onRouteApplied, onRouteObserved } from './reconcile';
import { onStepReport } from './reports';
import { askOverdueRetirements, keepInspected, onInstancesInspected, onRetirementEnded } from './retiring';
import { onLiveReported, revive } from './revival';
import { keepStandby, onStandbyPrepared, onStandbyReported } from './standby-keeping';
import { learnVersions } from './standing';
import { onStarted } from './start';
import type { ServiceState } from './state';
import { onTick } from './timers';
import { Turn } from './turn';
import { forgetVerdicts, onDegradationBegan, onDegradationEnded, onTiersReported } from './verdicts';

export interface Reduction {
  readonly state: ServiceState;
  readonly commands: readonly Command[];
  /** Decision on a message; null for every other event. */
  readonly answer: Answer | null;
}

/**
 * The only decider of a service: what happened and what time it is in, the new state and the commands out. Pure; the
 * workflow interprets the commands. `rules` selects the branch of behaviour that a run was started with: a change here
 * that can change a command takes the next number and leaves the old branch in place (I13).
 */
export function reduce(state: ServiceState, event: ServiceEvent, now: number, rules: number): Reduction {
  if (rules !== state.rules) throw new RangeError(`rules ${rules} given, the state was made under ${state.rules}`);
  const turn = new Turn(state, now);
  const answer = apply(turn, event);
  if (event.type !== 'recorded' && !turn.isOver) {
    guardDrill(turn);
    followServing(turn);
    startQueued(turn);
    revive(turn);
    decide(turn);
    const { standby } = turn.state;
    keepStandby(turn);
    // The proof of a standby that was given up spoke for the environment; without it the verdicts are looked at again.
    if (standby !== null && turn.state.standby === null) decide(turn);
    keepReplicas(turn);
    askOverdueRetirements(turn);
    keepInspected(turn, event.type === 'started');
    keepCalm(turn);
    tellDetection(turn, state);
  }
  return { ...turn.finish(), answer };
}

function apply(turn: Turn, event: ServiceEvent): Answer | null {
  switch (event.type) {
    case 'message':
      return onMessage(turn, event.message);
    case 'started':
      onStarted(turn, event);
      return null;
    case 'versions-listed':
      learnVersions(turn, event.versions);
      return null;
    case 'unreadable':
      onUnreadable(turn, event.name, event.problem);
      return null;
    case 'degradation-began':
      onDegradationBegan(turn, event);
      return null;
    case 'degradation-ended':
      onDegradationEnded(turn, event);
      return null;
    case 'tiers-reported':
      onTiersReported(turn, event);
      return null;
    case 'standby-reported':
      onStandbyReported(turn, event);
      return null;
    case 'live-reported':
      onLiveReported(turn, event);
      return null;
    case 'standby-prepared':
      onStandbyPrepared(turn, event);
      return null;
    case 'route-observed':
      onRouteObserved(turn, event);
      return null;
    case 'route-applied':
      onRouteApplied(turn, event);
      return null;
    case 'step-reported':
      onStepReport(turn, event.report);
      return null;
    case 'drill-reported':
      onDrillReported(turn, event.report);
      return null;
    case 'operation-asked':
      onOperationAsked(turn, event);
      return null;
    case 'retirement-ended':
      onRetirementEnded(turn, event);
      return null;
    case 'instances-inspected':
      onInstancesInspected(turn, event);
      return null;
    case 'detection-began-anew':
      forgetVerdicts(turn);
      askedByDetection(turn);
      return null;
    case 'detection-started':
      askedByDetection(turn);
      return null;
    case 'recorded':
      onRecorded(turn, event.upTo);
      return null;
    case 'tick':
      onTick(turn);
      return null;
  }
}

function askedByDetection(turn: Turn): void {
  const message = detectionView(turn.state);
  if (message) turn.effect({ type: 'tell-detection', message });
}

function onRecorded(turn: Turn, upTo: number): void {
  turn.state.outbox = turn.state.outbox.filter(({ key }) => Number(key.slice(key.lastIndexOf('/') + 1)) > upTo);
}

function onUnreadable(turn: Turn, name: string, problem: string): void {
  turn.record(
    'refused',
    `a message ${name} could not be read: ${problem}`.slice(0, 900),
    {},
    { actor: unverifiedActor },
  );
  alertService(turn, `unreadable/${name}/${problem.slice(0, 40)}`, {
    severity: 'ticket',
    title: `${turn.state.service}: a message ${name} could not be read`,
    wrong: problem.slice(0, 500),
    did: 'Nothing was changed.',
    users: usersNow(turn.state),
    must: 'Send it again through the lastgood CLI, which checks it first.',
    command: `lastgood history ${turn.state.service}`,
  });
}

/** A deploy that waited for the operation before it, if it still may. */
function startQueued(turn: Turn): void {
  const { state } = turn;
  const { queued } = state;
  if (!queued || state.operation || state.incident) return;
  state.queued = null;
  const message = { name: 'deploy' as const, requestId: 'queued', ...queued };
  const verdict = check(state, message, turn.now);
  if (verdict.ok) deploy(turn, queued.version, queued.reason, queued.actor);
  else
    turn.record(
      'deploy-refused',
      `the queued deploy of ${queued.version} is refused: ${verdict.why}`,
      {},
      { actor: queued.actor },
    );
}
