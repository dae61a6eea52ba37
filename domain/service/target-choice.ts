import type { Tier } from '../detection/types';
import { rankCandidates, type Ranking } from '../rollback/candidates';
import type { ServiceState } from './state';

interface About {
  readonly tier: Tier;
  readonly hard: boolean;
}

/**
 * Users are hurt now: neither a cold copy nor a poor fit holds up the move. What serves today's inputs somewhat worse is
 * better than what does not serve them.
 */
function isEmergency({ tier, hard }: About): boolean {
  return hard || tier === 'immediate';
}

/** Who would take over because of this; `unasked` leaves out what only a person may choose. */
export function rankFor(state: ServiceState, now: number, about: About, unasked: boolean): Ranking {
  const emergency = isEmergency(about);
  return rankCandidates(state, now, { emergency, onlyFitting: unasked && !emergency });
}

/** Why the machine asks before it moves, where every version differs too much from the inputs of now; null elsewhere. */
export function leftToPerson(state: ServiceState, now: number, about: About): string | null {
  return isEmergency(about) ? null : rankCandidates(state, now).noneFits;
}
