import { Client, Connection } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import { detectionWorkflowId, rollbackWorkflowId, serviceWorkflowId } from '../../workflows/contract/ids';
import type { Stages } from './episode';

export type RoundTrips = Readonly<Record<keyof Stages, readonly string[]>>;

/** Nobody on the way to the shift waits for these. */
const BESIDE: readonly string[] = [
  'sendAlert',
  'annotateVersion',
  'listVersions',
  'observeRoute',
  'watchTelemetry',
  'watchServing',
  'guardStandby',
  'assessShortWindow',
  'assessTrend',
  'computeBaseline',
];
const PAGE = 200;

/** Times of the stage limits in milliseconds since 1970, in order: onset, detected, decided, prepared, shifted, settled. */
export type Limits = readonly [number, number, number, number, number, number];

/** Reads the histories of an incident's workflows. */
export class Histories {
  private constructor(
    private readonly connection: Connection,
    private readonly client: Client,
    private readonly namespace: string,
  ) {}

  static async connect(address: string, namespace: string): Promise<Histories> {
    const connection = await Connection.connect({ address });
    return new Histories(connection, new Client({ connection, namespace }), namespace);
  }

  /** The activities that ended within each stage, by the server's times, in the workflows that decide and act. */
  async roundTrips(service: string, operation: string, limits: Limits): Promise<RoundTrips> {
    const ids = [serviceWorkflowId(service), detectionWorkflowId(service), rollbackWorkflowId(service, operation)];
    const ended = (await Promise.all(ids.map((id) => this.activities(id, limits[0])))).flat();
    const within = (from: number, to: number): string[] =>
      ended.filter(({ at }) => at > from && at <= to).map(({ name }) => name);
    const [onset, detected, decided, prepared, shifted, settled] = limits;
    return {
      detect: within(onset, detected),
      decide: within(detected, decided),
      prepare: within(decided, prepared),
      shift: within(prepared, shifted),
      verify: within(shifted, settled),
    };
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  /** Newest first, so that a long history costs no more than a short one. */
  private async activities(workflowId: string, sinceMs: number): Promise<{ name: string; at: number }[]> {
    const ended: { scheduledId: string; at: number }[] = [];
    const names = new Map<string, string>();
    let nextPageToken: Uint8Array | undefined;
    do {
      const { history, nextPageToken: next } = await this.client.workflowService.getWorkflowExecutionHistoryReverse({
        namespace: this.namespace,
        execution: { workflowId },
        maximumPageSize: PAGE,
        ...(nextPageToken === undefined ? {} : { nextPageToken }),
      });
      for (const event of history?.events ?? []) {
        const completed = event.activityTaskCompletedEventAttributes ?? event.activityTaskFailedEventAttributes;
        if (completed) ended.push({ scheduledId: String(completed.scheduledEventId), at: timeOf(event) });
        const name = event.activityTaskScheduledEventAttributes?.activityType?.name;
        if (name) names.set(String(event.eventId), name);
      }
      const last = history?.events?.at(-1);
      nextPageToken = next && next.length > 0 && last && timeOf(last) > sinceMs ? next : undefined;
    } while (nextPageToken !== undefined);
    return ended.flatMap(({ scheduledId, at }) => {
      const name = names.get(scheduledId);
      return name === undefined || BESIDE.includes(name) || at <= sinceMs ? [] : [{ name, at }];
    });
  }
}

function timeOf({ eventTime }: temporal.api.history.v1.IHistoryEvent): number {
  return Number(eventTime?.seconds ?? 0) * 1_000 + Number(eventTime?.nanos ?? 0) / 1e6;
}
