import type { TestWorkflowEnvironment } from '@temporalio/testing';

/**
 * The time-skipping server locks its clock while the end of a child is told to its parent, and where the parent has
 * continued as new meanwhile nobody unlocks it: time then stands still for ever (temporalio/sdk-java, issue 1540). This
 * gives back exactly those locks: one for each child that ended and whose parent's run ended before it was told.
 */
export class OrphanedLocks {
  private runId: string;
  private readonly orphans = new Set<string>();

  private constructor(
    private readonly env: TestWorkflowEnvironment,
    private readonly parent: string,
    firstRunId: string,
  ) {
    this.runId = firstRunId;
  }

  static async of(env: TestWorkflowEnvironment, parent: string): Promise<OrphanedLocks> {
    const { runId } = await env.client.workflow.getHandle(parent).describe();
    return new OrphanedLocks(env, parent, runId);
  }

  /** Lets the server's clock run ahead, however often the parent continues as new meanwhile. */
  async sleep(ms: number): Promise<void> {
    let slept = false;
    const sleeping = this.env.sleep(ms).finally(() => {
      slept = true;
    });
    while (!slept) {
      await this.giveBack();
      await Promise.race([sleeping, new Promise((resolve) => setTimeout(resolve, 10))]);
    }
    await sleeping;
  }

  private async giveBack(): Promise<void> {
    await this.followRuns();
    for (const key of this.orphans) {
      const [id = '', runId = ''] = key.split(' ');
      const { status } = await this.env.client.workflow.getHandle(id, runId).describe();
      if (status.name === 'RUNNING') continue;
      this.orphans.delete(key);
      await (this.env.connection as { testService?: TestService }).testService?.unlockTimeSkipping({});
    }
  }

  private async followRuns(): Promise<void> {
    const { workflow } = this.env.client;
    for (;;) {
      const { runId: current } = await workflow.getHandle(this.parent).describe();
      if (current === this.runId) return;
      const { events } = await workflow.getHandle(this.parent, this.runId).fetchHistory();
      for (const event of events ?? []) {
        const started = event.childWorkflowExecutionStartedEventAttributes?.workflowExecution;
        const ended = event.childWorkflowExecutionCompletedEventAttributes?.workflowExecution;
        if (started) this.orphans.add(`${started.workflowId} ${started.runId}`);
        if (ended) this.orphans.delete(`${ended.workflowId} ${ended.runId}`);
        const next = event.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
        if (next) this.runId = next;
      }
    }
  }
}

interface TestService {
  unlockTimeSkipping(request: object): Promise<unknown>;
}
