import { ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy, type Client } from '@temporalio/client';
import { DecisionsUnreachable, type DrillSchedules } from '../api/ports';
import type { DrillScheduleView } from '../api/types';
import { CONTROL_QUEUE, drillScheduleId } from '../workflows/contract/ids';
import type { ScheduledDrillInput } from '../workflows/contract/drill';

/** A drill that is missed by more than this is not made up for: the next one comes. */
const CATCH_UP_MS = 60_000;
const limitMs = 10_000;

/** One schedule a service, kept by Temporal: never two drills at a time, and none made up for after an outage. */
export function temporalDrillSchedules(client: Client): DrillSchedules {
  const handle = (service: string): ReturnType<Client['schedule']['getHandle']> =>
    client.schedule.getHandle(drillScheduleId(service));
  const guarded = async <T>(ask: () => Promise<T>): Promise<T> => {
    try {
      return await client.withDeadline(Date.now() + limitMs, ask);
    } catch (error) {
      if (error instanceof ScheduleNotFoundError) throw error;
      throw new DecisionsUnreachable(`Temporal: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  };
  const read = async (service: string): Promise<DrillScheduleView | null> => {
    try {
      return await guarded(async () => {
        const { spec, state, info, action } = await handle(service).describe();
        const input = (action.args?.[0] ?? null) as ScheduledDrillInput | null;
        return {
          everyMs: spec.intervals?.[0]?.every ?? null,
          cron: spec.calendars?.[0]?.comment ?? null,
          paused: state.paused,
          note: state.note ?? null,
          next: info.nextActionTimes.slice(0, 3).map((at) => at.getTime()),
          last: info.recentActions.at(-1)?.takenAt.getTime() ?? null,
          skipped: info.numActionsSkippedOverlap,
          request: input?.request ?? null,
        };
      });
    } catch (error) {
      if (error instanceof ScheduleNotFoundError) return null;
      throw error;
    }
  };
  return {
    read,
    async put(service, { everyMs, cron, request, note }) {
      const spec =
        everyMs === undefined
          ? { calendars: [], cronExpressions: [cron === undefined ? '' : `${cron} # ${cron}`] }
          : { intervals: [{ every: everyMs }] };
      const input: ScheduledDrillInput = { service, request };
      const wanted = {
        spec,
        action: {
          type: 'startWorkflow' as const,
          workflowType: 'scheduledDrillWorkflow',
          taskQueue: CONTROL_QUEUE,
          workflowId: drillScheduleId(service),
          args: [input],
        },
        policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCH_UP_MS },
      };
      await guarded(async () => {
        try {
          await client.schedule.create({
            scheduleId: drillScheduleId(service),
            ...wanted,
            state: { note: note.slice(0, 300) },
          });
        } catch (error) {
          if (!(error instanceof ScheduleAlreadyRunning)) throw error;
          await handle(service).update(({ state }) => ({ ...wanted, state: { ...state, note: note.slice(0, 300) } }));
        }
      });
    },
    async setPaused(service, paused, note) {
      await guarded(async () =>
        paused ? handle(service).pause(note.slice(0, 300)) : handle(service).unpause(note.slice(0, 300)),
      );
    },
    async remove(service) {
      await guarded(async () => handle(service).delete());
    },
  };
}
