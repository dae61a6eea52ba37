import {
  getExternalWorkflowHandle,
  log,
  ParentClosePolicy,
  ChildWorkflowCancellationType,
  startChild,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import type { Command, Effect } from '../../domain/service/commands';
import type { ServiceEvent } from '../../domain/service/events';
import { detectionWorkflowId, retirementWorkflowId, rollbackWorkflowId } from '../contract/ids';
import { signalNames } from '../contract/signals';
import { control, hostOf, routerOf } from '../proxies';
import type { Recorder } from './recorder';

type EffectCommand = Extract<Command, { kind: 'effect' }>;

/** How long a decision waits for a ledger that does not answer before a person is told. */
const LEDGER_SILENT_MS = 15_000;

/**
 * Does what the reducer asked for, each effect after the decisions before it are durable. Commands to the operation in
 * flight and to the router keep their order; what takes long (a standby, a retirement) runs beside them and reports by
 * an event.
 */
export class Effects {
  private readonly queue: EffectCommand[] = [];
  private working = false;
  private beside = 0;

  constructor(
    private readonly about: { readonly service: string; readonly host: string; readonly ledgerWaitMs: () => number },
    private readonly recorder: Recorder,
    private readonly enqueue: (event: ServiceEvent) => void,
    private readonly onLedgerSilent: () => void,
  ) {}

  get idle(): boolean {
    return !this.working && this.queue.length === 0 && this.beside === 0;
  }

  push(command: EffectCommand): void {
    this.queue.push(command);
    if (!this.working) void this.work();
  }

  private async work(): Promise<void> {
    this.working = true;
    for (let next = this.queue.shift(); next; next = this.queue.shift()) {
      await this.waitForLedger(next);
      try {
        await this.perform(next.effect);
      } catch (error) {
        // Every effect is found again by reconcile, a deadline or the next report; it must not stop the ones behind it.
        log.warn('an effect failed', { type: next.effect.type, error: String(error) });
      }
    }
    this.working = false;
  }

  private async waitForLedger({ afterEntry, ledgerDown }: EffectCommand): Promise<void> {
    if (ledgerDown === 'proceed') {
      await this.recorder.durable(afterEntry, this.about.ledgerWaitMs());
      return;
    }
    while (!(await this.recorder.durable(afterEntry, LEDGER_SILENT_MS))) this.onLedgerSilent();
  }

  private async perform(effect: Effect): Promise<void> {
    const { service, host } = this.about;
    switch (effect.type) {
      case 'start-operation':
        return this.startOperation(effect);
      case 'order':
        return getExternalWorkflowHandle(rollbackWorkflowId(service, effect.operation)).signal(
          signalNames.orderGiven,
          effect.order,
        );
      case 'fence':
        await routerOf(host).fenceRouter.executeWithOptions({ summary: `floor ${effect.epoch}` }, [
          { service, epoch: effect.epoch },
        ]);
        return;
      case 'tell-detection':
        // Where detection does not run, it asks as soon as it starts.
        return getExternalWorkflowHandle(detectionWorkflowId(service)).signal(signalNames.routeChanged, effect.message);
      case 'apply-route':
        return this.besides(this.applyRoute(effect));
      case 'prepare-standby':
        return this.besides(this.prepareStandby(effect));
      case 'retire':
        return this.besides(this.startRetirement(effect));
      case 'spare':
        return getExternalWorkflowHandle(retirementWorkflowId(service, effect.instance)).signal(signalNames.spared);
      case 'ask-operation':
        return this.besides(this.askOperation(effect.operation));
      case 'list-versions':
        return this.besides(this.listVersions());
    }
  }

  private besides(work: Promise<void>): void {
    this.beside += 1;
    void work
      .catch((error) => log.warn('work beside the loop failed', { error: String(error) }))
      .finally(() => {
        this.beside -= 1;
      });
  }

  private async startOperation({ input, summary }: Extract<Effect, { type: 'start-operation' }>): Promise<void> {
    await startChild('rollbackWorkflow', {
      workflowId: rollbackWorkflowId(input.service, input.operation),
      args: [input],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      cancellationType: ChildWorkflowCancellationType.ABANDON,
      // Repeated after a lost effect, the same operation is found running or ended, never started twice.
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      staticSummary: summary,
      staticDetails: input.reason,
    });
  }

  private async applyRoute({ record }: Extract<Effect, { type: 'apply-route' }>): Promise<void> {
    const { host } = this.about;
    try {
      const result = await routerOf(host).applyRoute.executeWithOptions(
        { summary: `epoch ${record.epoch}: ${record.primary}` },
        [record],
      );
      this.enqueue({
        type: 'route-applied',
        epoch: record.epoch,
        applied: result.applied,
        why: result.applied ? '' : result.detail,
      });
    } catch (error) {
      this.enqueue({ type: 'route-applied', epoch: record.epoch, applied: false, why: String(error).slice(0, 300) });
    }
  }

  /** Validate, load, probe: the slow steps of an emergency, taken beforehand. */
  private async prepareStandby({
    version,
    digest,
    instance,
    model,
  }: Extract<Effect, { type: 'prepare-standby' }>): Promise<void> {
    const { service, host } = this.about;
    const report = (backend: Parameters<typeof this.preparedEvent>[2], why: string): void =>
      this.enqueue(this.preparedEvent(version, instance, backend, why));
    try {
      const valid = await control.validateArtifact.executeWithOptions({ summary: version }, [
        { service, version, digest },
      ]);
      if (!valid.ok) return report(null, valid.why);
      const loaded = await hostOf(host).loadTarget.executeWithOptions({ summary: instance }, [
        { service, version, digest, instance, model, readyWithinMs: 5 * 60_000 },
      ]);
      if (!loaded.ok) return report(null, loaded.why);
      const proven = await control.probeInstance.executeWithOptions({ summary: instance }, [
        { service, version, model, backend: loaded.backend },
      ]);
      report(proven.ok ? loaded.backend : null, proven.ok ? '' : proven.why);
    } catch (error) {
      report(null, `could not be asked: ${String(error).slice(0, 300)}`);
    }
  }

  private preparedEvent(
    version: string,
    instance: string,
    backend: Extract<ServiceEvent, { type: 'standby-prepared' }>['backend'],
    why: string,
  ): ServiceEvent {
    return { type: 'standby-prepared', version, instance, backend, why };
  }

  private async startRetirement({ input }: Extract<Effect, { type: 'retire' }>): Promise<void> {
    await startChild('retirementWorkflow', {
      workflowId: retirementWorkflowId(input.service, input.instance),
      args: [input],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      cancellationType: ChildWorkflowCancellationType.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      staticSummary: `retire ${input.instance}: ${input.why}`.slice(0, 180),
    });
  }

  /** A signal to a workflow that does not run fails: that is the answer. */
  private async askOperation(operation: string): Promise<void> {
    const { service } = this.about;
    let running: boolean | null = true;
    try {
      await getExternalWorkflowHandle(rollbackWorkflowId(service, operation)).signal(signalNames.asked);
    } catch {
      running = false;
    }
    const observed = await control.observeRoute(service).catch(() => null);
    this.enqueue({ type: 'operation-asked', operation, running: observed === null ? null : running, observed });
  }

  private async listVersions(): Promise<void> {
    this.enqueue({ type: 'versions-listed', versions: await control.listVersions(this.about.service) });
  }
}
