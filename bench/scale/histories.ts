import { Client, Connection } from '@temporalio/client';
import { detectionWorkflowId, serviceWorkflowId } from '../../workflows/contract/ids';

/** What Temporal says of the workflows of a service. */
export interface Look {
  readonly runId: string;
  readonly events: number;
  /** Who watches now, by the identity of its worker; null while nobody does. */
  readonly watchedBy: string | null;
}

const AT_ONCE = 24;

export class Histories {
  private constructor(
    private readonly connection: Connection,
    private readonly client: Client,
  ) {}

  static async connect(address: string, namespace: string): Promise<Histories> {
    const connection = await Connection.connect({ address });
    return new Histories(connection, new Client({ connection, namespace }));
  }

  async look(workflowId: string, runId?: string): Promise<Look | null> {
    try {
      const { raw } = await this.client.workflow.getHandle(workflowId, runId).describe();
      const info = raw.workflowExecutionInfo;
      const watch = raw.pendingActivities?.find(({ activityType }) => activityType?.name === 'watchTelemetry');
      // 2: PENDING_ACTIVITY_STATE_STARTED.
      const watchedBy = watch?.state === 2 ? (watch.lastWorkerIdentity ?? null) : null;
      return { runId: info?.execution?.runId ?? '', events: Number(info?.historyLength ?? 0), watchedBy };
    } catch {
      return null;
    }
  }

  watch(service: string): Promise<Look | null> {
    return this.look(detectionWorkflowId(service));
  }

  /** Both workflows of each service. */
  async all(services: readonly string[]): Promise<Map<string, Look>> {
    const ids = services.flatMap((service) => [serviceWorkflowId(service), detectionWorkflowId(service)]);
    const found = new Map<string, Look>();
    await atOnce(ids, async (id) => {
      const look = await this.look(id);
      if (look !== null) found.set(id, look);
    });
    return found;
  }

  /** Events of one workflow between two looks; a run that ended meanwhile counts with all that it had. */
  async between(id: string, first: Look, last: Look): Promise<number> {
    if (first.runId === last.runId) return last.events - first.events;
    const ended = await this.look(id, first.runId);
    return (ended?.events ?? first.events) - first.events + last.events;
  }

  async close(): Promise<void> {
    await this.connection.close();
  }
}

export async function atOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      next += 1;
      await work(items[next - 1] as T);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
