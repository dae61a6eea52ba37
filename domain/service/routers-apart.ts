import { sameRoute, type DifferingRouter, type ObservedRoute } from '../route';
import { declare } from './declared-route';
import { alertService, clock } from './messages-for-people';
import type { Turn } from './turn';

/** One look that came too late is no router that is away: told when it is still so at a later look. */
const TOLD_AFTER_MS = 10_000;

/**
 * Several routers of one service: one that was away, or missed a record, gets the declared one again as soon as it answers
 * (I12). One that cannot be reached, or has another record under the same epoch, is alerted. While an operation moves the
 * traffic its child is at work; while it waits for a person the others are brought to where the traffic is.
 */
export function bringTogether(turn: Turn, observed: ObservedRoute): void {
  const { state } = turn;
  const { declared, operation } = state;
  const { differing } = observed;
  if (differing === undefined || declared === null) return;
  if (differing.length === 0) return together(turn);
  if (operation !== null && operation.waiting === null) return;
  noteApart(turn, differing);
  if (observed.record === null || !sameRoute(observed.record, declared)) return;
  const behind = differing.filter(({ reached, epoch }) => reached && (epoch === null || epoch < declared.epoch));
  if (behind.length === 0) return;
  // Below a floor it would be refused. A new epoch is none of the operation's, and would end a fallback in use.
  if (observed.floor > declared.epoch) {
    if (operation !== null || state.fallbackInUse !== null) return;
    declare(turn, { ...declared, epoch: Math.max(state.nextEpoch, observed.floor) }, turn.now);
  }
  const record = state.declared ?? declared;
  const names = behind.map(({ router }) => router).join(', ');
  // Short: it stays in the state, beside the names of all that are apart.
  const given = `${record.epoch}/${behind.length}`;
  // One that can be read and takes nothing is given it at each look; that is one story.
  if (state.apart && state.apart.given !== given) {
    state.apart = { ...state.apart, given };
    turn.record('reconciled', `router ${names} gets the declared record again (epoch ${record.epoch})`, {
      declaredEpoch: record.epoch,
      routers: names,
    });
  }
  turn.effect({ type: 'apply-route', record });
}

function together(turn: Turn): void {
  const { state } = turn;
  if (!state.apart) return;
  const { routers, since } = state.apart;
  state.apart = null;
  turn.record('reconciled', `all routers have the declared record again; apart since ${clock(since)}`, {
    routers: routers.join(', '),
  });
}

function noteApart(turn: Turn, differing: readonly DifferingRouter[]): void {
  const { state, now } = turn;
  const routers = differing.map(({ router }) => router).sort();
  const known = state.apart && state.apart.routers.join() === routers.join() ? state.apart : null;
  state.apart = known ?? { since: now, routers, told: false };
  if (state.apart.told || now - state.apart.since < TOLD_AFTER_MS) return;
  state.apart = { ...state.apart, told: true };
  const { declared, service } = state;
  const words = differing
    .map(({ router, reached, why }) => `router ${router} ${reached ? why : `cannot be reached: ${why}`}`)
    .join('; ');
  alertService(turn, `routers/${routers.join('+')}/${state.apart.since}`, {
    severity: 'page',
    title: `${service}: its routers do not agree`,
    wrong: `${words}; declared is epoch ${declared?.epoch ?? 0} with ${declared?.primary ?? 'nothing'}.`.slice(0, 600),
    did: 'The others serve by the declared record. This one gets it as soon as it answers; nothing is stopped that it may use.',
    users: `those who come through ${routers.join(', ')} may be served by another version, or not at all`,
    must: 'Look at that router: start it again, or take its clients away from it. If it is gone for good, take it out of router.others.',
    command: `lastgood status ${service}`,
  });
}
