import { patched } from '@temporalio/workflow';
import { sameRoute, type RouteRecord } from '../../domain/route';
import type { RouterActivities, ShiftOutcome } from '../contract/activities';
import { control } from '../proxies';
import { inBytes } from '../summary';
import { lostCall } from './activity-failure';
import type { Operation } from './operation';

export type Moved =
  | { readonly kind: 'moved'; readonly record: RouteRecord; readonly at: number; readonly note: string }
  /** In force on some of several routers: the traffic has moved in part, and only a person goes on from here. */
  | { readonly kind: 'partial'; readonly record: RouteRecord; readonly at: number; readonly why: string }
  | { readonly kind: 'stopped' | 'unready' | 'refused' | 'unknown' | 'unreachable' | 'lost'; readonly why: string };

interface Move {
  /** Of the first attempt. */
  readonly epoch: number;
  readonly recordAt: (epoch: number) => RouteRecord;
  readonly deadlineMs: number;
  readonly summary: string;
  /** The version that served before, on the declared way back. */
  readonly returnsTo?: string;
}

/**
 * Brings a record into force. A call that was lost without effect says nothing about the version: the router or those who
 * know its standing were away for longer than the call had. Once they are back it is made again, above the lost one.
 */
export async function move(operation: Operation, asked: Move): Promise<Moved> {
  let epoch = asked.epoch;
  let record = asked.recordAt(epoch);
  let last = false;
  for (const beganAt = Date.now(); ;) {
    const summary = `${asked.summary}, epoch ${epoch}`;
    const options = { scheduleToCloseTimeout: asked.deadlineMs, summary: inBytes(summary) };
    const input = inputOf(operation, record, asked.returnsTo ?? null);
    try {
      return moved(record, await operation.router.shiftTraffic.executeWithOptions(options, [input]));
    } catch (error) {
      const { kind, why } = lostCall(error);
      const looked = kind === 'unreachable' ? null : await lookAfterLoss(record, why);
      if (looked !== null && (looked.kind !== 'lost' || last || !patched('shift-again-after-loss'))) return looked;
      const { stopWhy } = operation.orders;
      if (stopWhy !== null) return { kind: 'stopped', why: stopWhy };
      if (looked === null) {
        if (Date.now() - beganAt >= operation.hostWaitMs) return { kind: 'unreachable', why };
      } else {
        const next = operation.takeEpoch();
        if (next === null) return looked;
        epoch = next;
        record = asked.recordAt(epoch);
        last = true;
      }
      operation.chronicle.note(`${summary}: ${why}; once more`);
    }
  }
}

function inputOf(
  operation: Operation,
  record: RouteRecord,
  returnsTo: string | null,
): Parameters<RouterActivities['shiftTraffic']>[0] {
  const { input, left, inGap: endsGap } = operation;
  const { service, incident, model, kind, actor } = input;
  // The same version by another copy: no brake on changes of the version holds it (see `domain/service/revival.ts`).
  const sameVersion = kind === 'deploy' && record.primary === left;
  return {
    service,
    operation: input.operation,
    incident,
    model,
    record,
    // What ends a gap brings somebody back to serve at all; a brake would only leave nobody.
    allowBreakerOpen: kind === 'manual-rollback' || kind === 'hold-move' || sameVersion || endsGap,
    // The machine deploys too: a live version that died.
    allowPaused: endsGap || actor.proof !== 'lastgood',
    allowDisagreement: kind === 'manual-rollback',
    returnsTo,
  };
}

function moved(record: RouteRecord, outcome: ShiftOutcome): Moved {
  if (outcome.outcome === 'partial') return { kind: 'partial', record, at: outcome.at, why: outcome.why };
  if (outcome.outcome !== 'shifted') return { kind: outcome.outcome, why: outcome.why };
  const seen = outcome.seenInTraffic === null ? 'not seen in traffic' : `seen in traffic: ${outcome.seenInTraffic}`;
  const note = `${outcome.readBack ? 'read back' : 'not read back'}, ${seen}`;
  return { kind: 'moved', record, at: outcome.at, note };
}

/** The call was lost, its effect may have happened: the router knows. */
async function lookAfterLoss(record: RouteRecord, why: string): Promise<Moved> {
  try {
    const observed = await control.observeRoute.executeWithOptions({ summary: 'did the shift happen?' }, [
      record.service,
    ]);
    if (observed.record !== null && sameRoute(observed.record, record)) {
      const [missing] = observed.differing ?? [];
      if (missing) {
        const lacking = `router ${missing.router} has not taken it (${missing.why})`;
        return { kind: 'partial', record, at: Date.now(), why: `partial: found in force after ${why}; ${lacking}` };
      }
      return { kind: 'moved', record, at: Date.now(), note: `found in force after ${why}` };
    }
    return { kind: 'lost', why };
  } catch (error) {
    return { kind: 'unknown', why: `${why}; the router cannot be asked: ${lostCall(error).why}` };
  }
}
