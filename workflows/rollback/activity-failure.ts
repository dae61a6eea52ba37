import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';

/** Why a call came back without an outcome. */
export interface LostCall {
  /**
   * `unreachable`: no worker of the host took it. `late`: a worker took it, and its answer did not come in time, so that
   * its effect is not known. `fault`: it said why it could not be done.
   */
  readonly kind: 'unreachable' | 'late' | 'fault';
  readonly why: string;
}

/** Names the failure of an activity; anything else is a bug of the workflow and stays one. */
export function lostCall(error: unknown): LostCall {
  if (!(error instanceof ActivityFailure)) throw error;
  const { cause, activityType } = error;
  if (cause instanceof TimeoutFailure) {
    if (cause.timeoutType === 'SCHEDULE_TO_START') {
      return { kind: 'unreachable', why: `HostUnreachable: no worker took ${activityType} in time` };
    }
    const last = cause.cause instanceof Error ? `; last fault: ${cause.cause.message}` : '';
    return { kind: 'late', why: `${activityType} did not answer in time (${cause.timeoutType})${last}` };
  }
  if (cause instanceof ApplicationFailure) return { kind: 'fault', why: `${cause.type ?? 'fault'}: ${cause.message}` };
  return { kind: 'fault', why: cause?.message ?? error.message };
}
