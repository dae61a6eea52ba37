import { candidateOf, nobodyMayServe, rankCandidates } from '../rollback/candidates';
import { actOnIncident } from './decide';
import { endIncident } from './incident';
import type { OperatorMessage } from './messages';
import { blockedBy } from './readiness';
import type { ServiceState } from './state';
import type { Turn } from './turn';

/** A sentence on what was done, or why nothing came of an act that was allowed. */
export type Outcome = string | { readonly cameToNothing: string };

export function intervene(
  turn: Turn,
  message: Extract<OperatorMessage, { name: 'intervene' }>,
  note: (summary: string) => void,
): Outcome {
  const { state, now } = turn;
  const { operation } = state;
  note(`${message.action}${message.target ? ` ${message.target}` : ''} for ${message.incident}`);
  if (!operation) return interveneIdle(turn, message.action);
  const orders = (operation.orders ?? 0) + 1;
  state.operation = { ...operation, waiting: null, orders, deadlineAt: now + 60_000 };
  if (state.incident?.id === operation.incident) turn.updateIncident({ phase: 'rolling-back' });
  const facts = state.versions.find(({ version }) => version === message.target);
  if (message.action === 'choose' && facts) {
    const candidate = candidateOf(state, facts, `chosen by a person for ${message.incident}`, now);
    turn.effect({ type: 'order', operation: operation.id, order: { type: 'choose', candidate } });
    return `goes on with ${facts.version}`;
  }
  const type = message.action === 'retry' ? 'retry' : message.action === 'accept' ? 'accept' : 'abort';
  turn.effect({ type: 'order', operation: operation.id, order: { type } });
  return `${type}: ${operation.id} goes on`;
}

/** The incident waits because no version could be chosen; there is no operation to go on with. */
function interveneIdle(turn: Turn, action: 'retry' | 'choose' | 'accept' | 'abort'): Outcome {
  if (action === 'retry') {
    const blocked = blockedBy(turn.state, turn.now);
    if (blocked !== null) return { cameToNothing: `nothing moves: ${blocked}` };
    return startRollback(turn, null);
  }
  endIncident(turn, action === 'accept' ? 'a person accepts it as it is' : 'ended by a person');
  return 'the incident is over; nothing was moved';
}

/** The standings may have changed since the incident was opened or proposed, so there may be nobody left to move to. */
export function startRollback(turn: Turn, approvedBy: string | null): Outcome {
  const nobody = nobodyLeft(turn.state, turn.now);
  actOnIncident(turn, approvedBy, false);
  return turn.state.operation
    ? 'the rollback starts'
    : { cameToNothing: `${nobody ?? 'nothing is live'}; the incident waits for a person` };
}

/** What a dry run must say of an act that would be allowed and would move nothing; null when it would move something. */
export function wouldComeToNothing(state: ServiceState, message: OperatorMessage, now: number): string | null {
  const retried = message.name === 'intervene' && message.action === 'retry' && !state.operation;
  const approved = message.name === 'approve' && message.decision === 'approve';
  return retried || approved ? (blockedBy(state, now) ?? nobodyLeft(state, now)) : null;
}

function nobodyLeft(state: ServiceState, now: number): string | null {
  const { candidates, refused } = rankCandidates(state, now);
  return candidates.length > 0 ? null : nobodyMayServe(refused);
}
