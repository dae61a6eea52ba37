import type { RouteRecord } from '../route';
import { declare } from './declared-route';
import { gapBegan, gapEnded } from './gap';
import { clock } from './messages-for-people';
import { isRevival } from './revival';
import { changeVersion, setStanding } from './standing';
import type { Operation } from './state';
import type { Turn } from './turn';

/**
 * A record of the operation in flight is in force: it is the declared one from now on, and the version that was left gets
 * its standing. One that is not above the declared epoch is known already; one outside the grant is none of ours.
 */
export function trafficMoved(turn: Turn, operation: Operation, record: RouteRecord, at: number, note: string): void {
  const { state } = turn;
  const { epochs, from: left } = operation;
  if (record.epoch < epochs.from || record.epoch > epochs.to) return;
  if (state.declared !== null && record.epoch <= state.declared.epoch) return;
  const target = record.primary;
  const judgedGood = state.unmeasuredSince === null && !state.degradations.some(({ version }) => version === left);
  const gap = state.declared?.gap;
  declare(turn, record, at);
  // Whatever somebody else wrote to the router before is overwritten; a resume must not bring it back.
  state.foreign = null;
  if (record.gap) return gapBegan(turn, operation, record, record.gap);
  if (gap) gapEnded(turn, gap, record, at);
  const revival = isRevival(operation);
  // A person who was asked may have chosen another version instead.
  const again = revival && target === left;
  // The way back out of a gap: nobody has left that version yet.
  if (target === left && !operation.shifted && !again) return gap ? undefined : shared(turn, record, note);
  if (state.operation?.id === operation.id) state.operation = { ...state.operation, shifted: true };
  if (operation.incident !== null && state.incident?.id === operation.incident)
    turn.updateIncident({ shiftedAt: at, target });
  if (again) {
    const words = `new requests go to another copy of ${target} since ${clock(at)}`;
    return turn.record('traffic-shifted', words, { epoch: record.epoch, note });
  }
  const before = state.versions.find(({ version }) => version === target)?.deployedAt ?? at;
  changeVersion(turn, target, { deployedAt: operation.kind === 'deploy' ? at : before });
  if (target === left) {
    turn.record('traffic-shifted', `the traffic is back on ${target}`, { epoch: record.epoch, note });
    return;
  }
  if (operation.kind === 'deploy') {
    if (judgedGood && left !== '' && !revival) changeVersion(turn, left, { lastGoodAt: turn.now });
  } else if (operation.kind !== 'hold-move') {
    const byModel = operation.kind === 'rollback' && state.incident?.attribution === 'model';
    setStanding(turn, left, byModel ? 'quarantined' : 'suspect', `rolled back from, ${operation.reason}`);
    turn.annotate(left, `rolled back from at ${clock(at)}: ${operation.reason}`);
  }
  turn.record('traffic-shifted', `new requests go to ${target} since ${clock(at)}`, {
    from: left,
    to: target,
    epoch: record.epoch,
    note,
  });
}

/** A stage of a gradual move, or its withdrawal: the left version is still the primary. */
function shared(turn: Turn, record: RouteRecord, note: string): void {
  const { share } = record;
  const words = share
    ? `${Math.round(share.weight * 100)} % of the new requests go to ${share.version}`
    : `all new requests go to ${record.primary}, no share any more`;
  turn.record('traffic-shifted', words, { epoch: record.epoch, note });
}
