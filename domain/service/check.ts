import { nobodyMayServe, rankCandidates, unusable } from '../rollback/candidates';
import { checkDetach } from './detach';
import { checkDrill } from './drill-check';
import { blockedBy } from './readiness';
import type { Actor } from '../ledger';
import { isShared, needsSecondPerson } from '../roles';
import type { OperatorMessage } from './messages';
import { liveIsDown } from './revival';
import type { ServiceState, VersionFacts } from './state';

export type Check = { readonly ok: true } | { readonly ok: false; readonly why: string };

const fine: Check = { ok: true };
const no = (why: string): Check => ({ ok: false, why });

/** May this message take effect now? One answer for the Update's validator, the dry run and the reducer. */
export function check(state: ServiceState, message: OperatorMessage, now: number): Check {
  if ((message.actor?.proof ?? 'unverified') === 'unverified' && state.policy.unverifiedOperators === 'refuse')
    return no('nobody proved who sends this; use the lastgood CLI or API, or set operators.unverified: allow');
  if (needsSecondPerson(state.policy, message.name)) {
    const second = checkSecond(message);
    if (!second.ok) return second;
  }
  switch (message.name) {
    case 'rollback':
      return checkRollback(state, message.to, now);
    case 'deploy':
      return checkDeploy(state, message, now);
    case 'drill':
      return checkDrill(state, message, now, inFreeze(state, now));
    case 'clearBreaker':
      return checkClear(state, message.breakerEpoch);
    case 'approve':
      return checkApprove(state, message, now);
    case 'intervene':
      return checkIntervene(state, message);
    case 'cancel':
      return checkCancel(state, message.incident);
    case 'pause':
      return fine;
    case 'resume':
      return state.pausedUntil === null && state.pausedWhy === null ? no('the service is not paused') : fine;
    case 'vouch':
      return checkVouch(state, message.version);
    case 'revoke':
      return known(state, message.version, (facts) =>
        facts.standing === 'revoked' ? no('it is revoked already') : fine,
      );
    case 'clearQuarantine':
      return known(state, message.version, (facts) =>
        facts.standing === 'quarantined' || facts.standing === 'suspect'
          ? fine
          : no(`${facts.version} is ${facts.standing}, not quarantined`),
      );
    case 'setMode':
      return state.mode === message.mode ? no(`the mode is ${message.mode} already`) : fine;
    case 'detach':
      return checkDetach(state, message, now);
    case 'configure':
      // Whoever could change the keys could be anybody afterwards.
      return (state.policy.actKeys ?? []).length > 0 && message.actor?.proof !== 'lastgood'
        ? no('only the controller changes the policy')
        : fine;
  }
}

/** Two proven people with two names: one person with a token beside the socket is one person. */
function checkSecond({ name, actor, second }: OperatorMessage): Check {
  const proven = (who: Actor | undefined): who is Actor =>
    who !== undefined && who.proof !== 'unverified' && !isShared(who);
  if (!proven(actor) || !proven(second))
    return no(`the service is regulated: ${name} needs a second person; propose it with the lastgood CLI or API`);
  return actor.name === second.name ? no(`${actor.name} cannot be the second person of their own ${name}`) : fine;
}

function known(state: ServiceState, version: string, then: (facts: VersionFacts) => Check): Check {
  const facts = state.versions.find((candidate) => candidate.version === version);
  return facts ? then(facts) : no(`version ${version} is not in the artifact store; known: ${names(state)}`);
}

function names(state: ServiceState): string {
  return (
    state.versions
      .map((facts) => facts.version)
      .slice(-10)
      .join(', ') || 'none'
  );
}

function busy(state: ServiceState): Check | null {
  const { operation } = state;
  if (!operation) return null;
  return no(`${operation.kind} ${operation.id} is in flight (step ${operation.step}); wait, or lastgood cancel`);
}

function checkRollback(state: ServiceState, to: string | undefined, now: number): Check {
  const inFlight = busy(state);
  if (inFlight) return inFlight;
  if (!state.declared) return no('nothing is live yet; deploy a version first');
  if (to === undefined) return somebodyMayServe(state, now);
  return known(state, to, (facts) => {
    if (facts.version === state.declared?.primary) return no(`${to} is live already`);
    return chosenByHand(state, facts);
  });
}

/** An act that would move nothing is refused, with the reason for each version. */
function somebodyMayServe(state: ServiceState, now: number): Check {
  const { candidates, refused } = rankCandidates(state, now);
  return candidates.length > 0 ? fine : no(nobodyMayServe(refused));
}

/** A person may choose what the machine would not, but never what was not validated, and a quarantine is cleared first (I1). */
function chosenByHand(state: ServiceState, facts: VersionFacts): Check {
  const { version, standing, why } = facts;
  if (standing === 'revoked') return no(`${version} is revoked: ${why}`);
  if (standing === 'quarantined')
    return no(`${version} is quarantined (${why}); lastgood quarantine clear ${state.service}@${version} first`);
  return provable(facts);
}

/** Without an artifact there is no report; a person who names a version that has an address of its own stands for it. */
function provable({ version, evaluation, observed }: VersionFacts): Check {
  if (evaluation.ok || observed?.ownAddress === true) return fine;
  const elsewhere = observed ? '; it has no address of its own, so whoever runs it must put it back' : '';
  return no(`${version} is not validated: ${evaluation.why}${elsewhere}`);
}

function checkDeploy(state: ServiceState, message: Extract<OperatorMessage, { name: 'deploy' }>, now: number): Check {
  // The same version again moves nobody to another one: what brakes a change of the version does not hold it.
  if (message.version === state.declared?.primary && liveIsDown(state)) return checkStartAgain(state, message.version);
  if (state.breaker.open)
    return no(`the breaker is open since incident ${state.breaker.incident ?? '?'}; clear it first`);
  if (state.pausedWhy !== null) return no(`paused: ${state.pausedWhy}`);
  if (inFreeze(state, now)) return no('a freeze window is in force');
  const inFlight = busy(state);
  if (inFlight && !message.after) return inFlight;
  if (state.incident && ['awaiting-approval', 'waiting-for-human', 'on-fallback'].includes(state.incident.phase))
    return no(`incident ${state.incident.id} is open (${state.incident.phase})`);
  return known(state, message.version, (facts) => {
    if (facts.version === state.declared?.primary) return no(`${facts.version} is live already`);
    if (facts.standing === 'quarantined' || facts.standing === 'revoked')
      return no(`${facts.version} is ${facts.standing}: ${facts.why}`);
    return provable(facts);
  });
}

function checkStartAgain(state: ServiceState, version: string): Check {
  if (state.pausedWhy !== null) return no(`paused: ${state.pausedWhy}`);
  return busy(state) ?? known(state, version, (facts) => chosenByHand(state, facts));
}

function checkClear(state: ServiceState, breakerEpoch: number): Check {
  if (!state.breaker.open) return no('the breaker is closed');
  if (state.breaker.epoch !== breakerEpoch)
    return no(
      `the breaker is at epoch ${state.breaker.epoch}, you saw ${breakerEpoch}: look again before you clear it`,
    );
  if (state.operation && state.operation.kind !== 'deploy')
    return no(`${state.operation.kind} ${state.operation.id} is in flight; clear the breaker when it has ended`);
  return fine;
}

function checkApprove(state: ServiceState, message: Extract<OperatorMessage, { name: 'approve' }>, now: number): Check {
  const { incident, operation } = state;
  if (incident?.phase !== 'awaiting-approval') return no(`incident ${message.incident} does not wait for an approval`);
  // A value that swings ends a proposal and makes the next; the page may still name the first.
  if (incident.id !== message.incident)
    return no(
      `incident ${message.incident} does not wait for an approval; ${incident.id} does, for ${incident.metric}`,
    );
  if (message.decision === 'deny') return fine;
  if (operation) return no(`${operation.kind} ${operation.id} is in flight`);
  // Whoever approves may not know of what came since the proposal; a person who knows rolls back by hand (I3).
  const blocked = blockedBy(state, now);
  return blocked === null ? fine : no(`${blocked}; lastgood rollback ${state.service} moves it by hand`);
}

function checkIntervene(state: ServiceState, message: Extract<OperatorMessage, { name: 'intervene' }>): Check {
  const { operation, incident } = state;
  if (!operation && incident?.id === message.incident && incident.phase === 'waiting-for-human')
    return message.action === 'choose'
      ? no(`nothing is in flight; lastgood rollback ${state.service} --to VERSION chooses a version`)
      : fine;
  if (!operation || ![operation.incident, operation.id].includes(message.incident))
    return no(`no operation of ${message.incident} is in flight`);
  if (operation.stopping !== null) return no(`${operation.id} is being stopped: ${operation.stopping}`);
  if (operation.waiting === null) return no(`${operation.id} does not wait for a person (step ${operation.step})`);
  if (message.action !== 'choose') return fine;
  if (message.target === undefined) return no('choose needs a target');
  return known(state, message.target, (facts) => chosenByHand(state, facts));
}

function checkCancel(state: ServiceState, incident: string | undefined): Check {
  const { operation } = state;
  if (!operation && (state.queued || state.drill)) return fine;
  if (!operation) return no('nothing is in flight');
  if (incident !== undefined && (operation.incident ?? operation.id) !== incident)
    return no(`${operation.incident ?? operation.id} is in flight, not ${incident}`);
  if (operation.shifted) return no(`${operation.id} has moved the traffic; use lastgood rollback --to, or intervene`);
  return fine;
}

function checkVouch(state: ServiceState, version: string): Check {
  return known(state, version, (facts) => {
    if (facts.standing === 'revoked') return no(`${version} is revoked: ${facts.why}`);
    const reason = unusable(state, { ...facts, human: { by: '', at: 0 } }, null);
    return reason !== null && !facts.evaluation.ok ? no(reason) : fine;
  });
}

/** A window that ends at an earlier hour than it begins goes on after midnight; its days are those on which it begins. */
function inFreeze(state: ServiceState, now: number): boolean {
  const date = new Date(now);
  const day = date.getUTCDay();
  const hour = date.getUTCHours();
  const yesterday = (day + 6) % 7;
  return state.policy.freezeWindows.some(({ days, fromHour, toHour }) => {
    if (fromHour < toHour) return days.includes(day) && hour >= fromHour && hour < toHour;
    return (days.includes(day) && hour >= fromHour) || (days.includes(yesterday) && hour < toHour);
  });
}
