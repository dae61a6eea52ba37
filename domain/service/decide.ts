import type { ServicePolicy } from '../policy';
import { procedureFor } from '../rollback/plan';
import type { Ranking } from '../rollback/candidates';
import { considered } from '../rollback/considered';
import type { Candidate } from '../rollback/operation';
import { planFor } from './gap';
import { alertIncident, duration, usersNow } from './messages-for-people';
import { itemsOf } from './items';
import { machine } from './messages';
import { isBeforePerson, restsOnEstimates } from '../detection/estimated-metrics';
import { hold, refuse } from './held';
import { endIncident, openIncident, verdictFacts } from './incident';
import { fenceOperation, startOperation } from './operations';
import { blockedBy } from './readiness';
import { isOfFormerCopy, isRevival } from './revival';
import { failedTogether } from './shared-failure';
import type { Incident, Operation, ServiceState, StandingDegradation } from './state';
import { leftToPerson, rankFor } from './target-choice';
import { approvalSo, isNews, nobodySo } from './told';
import type { Turn } from './turn';

/**
 * Decides on the degradations that stand: called after every event, so that one that was held by a cooldown, a pause or
 * an operation is decided again as soon as its hold ends. Acts on at most one.
 */
export function decide(turn: Turn): void {
  const { state } = turn;
  const open = openDegradations(state);
  const [first] = open;
  if (!first) return;
  if (state.operation) return besideOperation(turn, state.operation, open);
  const { incident } = state;
  if (incident?.phase === 'awaiting-approval' || incident?.phase === 'waiting-for-human') {
    const counted = overtakingEstimate(state, incident, open);
    if (counted === null && (incident.hard || !first.verdict.hard)) return behindIncident(turn, incident, open);
    const by = counted === null ? `a harder failure: ${first.verdict.sentence}` : `labels: ${counted.verdict.sentence}`;
    endIncident(turn, `overtaken by ${by}`.slice(0, 300));
  }
  // One that is held or has another cause must not hide the one behind it.
  for (const entry of open) if (decideOn(turn, entry) === 'acted') return;
}

/**
 * There are never two operations at a time (I2). A hard failure stops one that has moved nobody and was meant for less;
 * beside one that takes its time it is told, and decided when that one has ended.
 */
function besideOperation(turn: Turn, operation: Operation, open: readonly StandingDegradation[]): void {
  const hard = open.filter(({ verdict }) => verdict.hard);
  const [first] = hard;
  // In a gap nobody serves: to stop what ends it would only make it longer.
  if (!first || operation.stopping !== null || turn.state.declared?.gap) return;
  if (!operation.shifted && givesWay(turn, operation, first))
    return fenceOperation(turn, `${first.verdict.metric} failed on the live version`);
  const why = takesItsTime(turn.state, operation);
  if (why !== null) for (const entry of hard) hold(turn, entry, `${operation.id} ${why}`);
}

/** A bad live version waits neither for the load of another one, nor for stages or an answer about something softer. */
function givesWay({ state, now }: Turn, operation: Operation, entry: StandingDegradation): boolean {
  if (operation.kind === 'deploy') return !isRevival(operation);
  const soft = state.incident?.id === operation.incident && state.incident?.hard === false;
  return operation.kind === 'rollback' && soft && takesItsTime(state, operation) !== null && mayAct(state, entry, now);
}

/** What makes it longer than its steps; null when nothing does. */
function takesItsTime({ incident }: ServiceState, operation: Operation): string | null {
  if (operation.waiting !== null) return 'waits for a person';
  const gradual = incident?.id === operation.incident && incident?.tier === 'trend' && operation.kind === 'rollback';
  return gradual && !operation.shifted ? 'moves the traffic by stages' : null;
}

/** Neither a brake nor its cause keeps the machine from deciding on it. */
function mayAct(state: ServiceState, entry: StandingDegradation, now: number): boolean {
  const { attribution } = attributionOf(state, entry);
  const { undetermined } = state.policy;
  if (attribution === 'undetermined' && undetermined[entry.verdict.tier] === 'hold') return false;
  return attribution !== 'environment' && blockedBy(state, now) === null;
}

/** A person was asked already; what comes on top of that is told, not decided, until they answered. */
function behindIncident(turn: Turn, { id, phase }: Incident, open: readonly StandingDegradation[]): void {
  const asked = phase === 'awaiting-approval' ? 'an approval' : 'a person';
  for (const entry of open) hold(turn, entry, `incident ${id} waits for ${asked}`);
}

/** What was counted does not wait behind a proposal that rests on an estimate; null where nothing is in its way. */
function overtakingEstimate(
  { policy }: ServiceState,
  { metric, phase }: Incident,
  open: readonly StandingDegradation[],
): StandingDegradation | null {
  if (phase !== 'awaiting-approval' || !isBeforePerson(policy, metric)) return null;
  return open.find(({ verdict }) => !restsOnEstimates(verdict.metric)) ?? null;
}

/** The open degradations of the live version, worst first: hard ones, then the faster tier, counted before estimated. */
function openDegradations(state: ServiceState): readonly StandingDegradation[] {
  const order = { immediate: 0, 'short-window': 1, trend: 2 };
  const open = state.degradations.filter(
    (entry) =>
      entry.version === state.declared?.primary &&
      entry.epoch === state.declared.epoch &&
      !isOfFormerCopy(state, entry) &&
      (entry.decided === 'open' || entry.decided === 'held'),
  );
  return open.sort(
    (a, b) =>
      Number(b.verdict.hard) - Number(a.verdict.hard) ||
      order[a.verdict.tier] - order[b.verdict.tier] ||
      Number(restsOnEstimates(a.verdict.metric)) - Number(restsOnEstimates(b.verdict.metric)),
  );
}

function decideOn(turn: Turn, entry: StandingDegradation): 'acted' | 'held' {
  const { state } = turn;
  const blocked = blockedBy(state, turn.now);
  if (blocked !== null) return hold(turn, entry, blocked);
  const attribution = attributionOf(state, entry);
  if (attribution.attribution === 'environment') return refuse(turn, entry, attribution.reasons);
  if (attribution.attribution === 'undetermined' && state.policy.undetermined[entry.verdict.tier] === 'hold')
    return hold(turn, entry, 'the cause is undetermined, and the policy holds then');
  openIncident(turn, { ...entry, ...attribution });
  const needsApproval =
    state.mode === 'confirm' ||
    state.policy.approval.tiers.includes(entry.verdict.tier) ||
    isBeforePerson(state.policy, entry.verdict.metric);
  if (needsApproval) askApproval(turn);
  else actOnIncident(turn, null);
  return 'acted';
}

/** A standby that failed its proof at the same time points to what both share: the environment. */
function attributionOf(
  state: ServiceState,
  entry: StandingDegradation,
): Pick<StandingDegradation, 'attribution' | 'reasons'> {
  const shared = failedTogether(state, entry.verdict.onsetMs ?? entry.reportedAt);
  if (entry.verdict.tier === 'immediate' && shared !== null)
    return {
      attribution: 'environment',
      reasons: [`the standby ${shared.version} failed its proof at the same time: ${shared.why}`],
    };
  return { attribution: entry.attribution, reasons: entry.reasons };
}

function askApproval(turn: Turn): void {
  const { state, now } = turn;
  const { incident } = state;
  if (!incident) return;
  const ranking = rankFor(state, now, incident, false);
  const best = ranking.candidates[0];
  // Nobody should be asked to approve nothing.
  if (!best) return nobodyLeft(turn, ranking);
  const unfit = leftToPerson(state, now, incident);
  turn.updateIncident({ phase: 'awaiting-approval', approvalUntil: now + state.policy.approval.timeoutMs });
  turn.record(
    'rollback-held',
    `proposes to roll back from ${incident.from} to ${best.version}; waits for an approval${unfit === null ? '' : `: ${unfit}`}`,
    {
      target: best.version,
      until: now + state.policy.approval.timeoutMs,
      ...considered(state, ranking, now),
    },
  );
  if (!isNews(turn, approvalSo(aboutOf(incident)), true, true)) return;
  alertIncident(turn, 'approval', incident, {
    severity: 'page',
    title: `${state.service}: approve the rollback from ${incident.from} to ${best.version}`,
    did: isBeforePerson(state.policy, incident.metric)
      ? 'Nothing yet: it rests on an estimate from confidences, not on labels, so a person decides.'
      : unfit === null
        ? 'Decided to roll back and waits for you.'
        : `Nothing yet: ${unfit}.`,
    users: usersNow(state),
    must: `Approve or deny within ${duration(state.policy.approval.timeoutMs)}; then it ${proceedsUnanswered(state.policy, incident.metric) && unfit === null ? 'goes ahead' : 'stays as it is'}.`,
    command: `lastgood approve ${incident.id} --service ${state.service} --reason '…'`,
  });
}

/** Silence is no word: what rests on an estimate never goes ahead by itself. */
export function proceedsUnanswered(policy: ServicePolicy, metric: string): boolean {
  return policy.approval.onTimeout === 'proceed' && !isBeforePerson(policy, metric);
}

/**
 * The rollback of the open incident: ranks, plans, authorises (with everything it was decided on), starts. `unasked`: no
 * person said so; then it asks where no version fits the inputs of now.
 */
export function actOnIncident(turn: Turn, approvedBy: string | null, unasked = approvedBy === null): void {
  const { state, now } = turn;
  const { incident } = state;
  if (!incident || !state.declared) return;
  if (unasked && leftToPerson(state, now, incident) !== null) return askApproval(turn);
  const ranking = rankFor(state, now, incident, unasked);
  const candidates = preferFallback(state, ranking.candidates);
  const procedure = procedureFor(incident.tier, (candidates[0]?.warm ?? null) !== null);
  turn.updateIncident({ phase: 'rolling-back', approvalUntil: null, decidedAt: now });
  const entry = state.degradations.find((other) => other.version === incident.from && other.decided === 'acted');
  if (candidates.length === 0) return nobodyLeft(turn, ranking);
  const first = candidates[0];
  const facts = {
    ...(entry ? verdictFacts(entry) : {}),
    attribution: incident.attribution,
    refused: ranking.refused.slice(0, 10).map(({ version, why }) => `${version}: ${why}`),
    approvedBy,
  };
  const poorly = ranking.noneFits === null ? '' : `; ${ranking.noneFits}`;
  const before = incident.operations ?? 0;
  turn.updateIncident({ operations: before + 1 });
  const items = itemsOf(state, incident);
  startOperation(turn, {
    // The durable engine refuses the same id a second time.
    id: before === 0 ? incident.id : `${incident.id}-again-${before}`,
    kind: 'rollback',
    incident: incident.id,
    procedure,
    plan: planFor(state, procedure, state.samples, items),
    candidates,
    actor: machine,
    reason: incident.sentence,
    summary: `roll back from ${incident.from} to ${first?.version ?? '?'} (${procedure}): ${incident.sentence}${poorly}`,
    facts: { ...facts, ...considered(state, ranking, now, facts) },
    entry: 'rollback-decided',
    ledgerDown: state.policy.ledgerDown[incident.tier],
    ...(items && { items }),
  });
  turn.updateIncident({ target: first?.version ?? null });
}

/** Where the router has moved to its fallback already, that version comes first: the durable decision follows the traffic. */
function preferFallback(state: ServiceState, candidates: readonly Candidate[]): readonly Candidate[] {
  const used = state.fallbackInUse?.version;
  if (used === undefined) return candidates;
  return [...candidates].sort((a, b) => Number(b.version === used) - Number(a.version === used));
}

function nobodyLeft(turn: Turn, ranking: Ranking): void {
  const { refused } = ranking;
  const { incident } = turn.state;
  if (!incident) return;
  turn.updateIncident({ phase: 'waiting-for-human' });
  const list = refused
    .slice(0, 8)
    .map(({ version, why }) => `${version}: ${why}`)
    .join('; ');
  turn.record('waiting-for-human', `no version may take the traffic: ${list || 'there is no other version'}`, {
    refused: refused.slice(0, 20).map(({ version, why }) => `${version}: ${why}`),
    ...considered(turn.state, ranking, turn.now),
  });
  if (!isNews(turn, nobodySo(aboutOf(incident)), true, true)) return;
  alertIncident(turn, 'nobody-left', incident, {
    severity: 'page',
    title: `${turn.state.service}: degraded, and no version may take over`,
    did: `Nothing was moved: ${list || 'there is no other version'}.`,
    users: usersNow(turn.state),
    must: 'Choose a version yourself, or clear a quarantine.',
    command: `lastgood rollback ${turn.state.service} --to VERSION --reason '…'`,
  });
}

function aboutOf({ from, metric }: Incident): Parameters<typeof approvalSo>[0] {
  return { version: from, verdict: { metric } };
}
