import {
  getExternalWorkflowHandle,
  log,
  ParentClosePolicy,
  ChildWorkflowCancellationType,
  startChild,
  WorkflowIdReusePolicy,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { ServicePolicy } from '../../domain/policy';
import type { Command, Effect } from '../../domain/service/commands';
import type { ServiceEvent } from '../../domain/service/events';
import { detectionWorkflowId, retirementWorkflowId, rollbackWorkflowId } from '../contract/ids';
import { signalNames } from '../contract/signals';
import { control, hostOf, routerOf } from '../proxies';
import { Lane } from './lane';
import type { Recorder } from './recorder';

/** The rest of the step's time is for the answer; a copy that is not ready by then says so itself. */
const LOAD_SHARE = 0.9;

export type EffectCommand = Extract<Command, { kind: 'effect' }>;

/** A decision may be shown to the world without its record from then on, where the policy says `proceed`. */
interface Due {
  readonly command: EffectCommand;
  readonly dueAt: number;
}

export interface EffectsAbout {
  readonly service: string;
  readonly host: string;
  readonly policy: () => Pick<ServicePolicy, 'ledgerWaitMs' | 'steps'>;
  /** The operation that may change the route now. */
  readonly inFlight: () => string | null;
  readonly enqueue: (event: ServiceEvent) => void;
  readonly listVersions: () => void;
}

/**
 * Does what the reducer asked for, each effect after the decisions before it are durable. Commands to the operation in
 * flight and to the router keep their order; word to detection has a lane of its own; what takes long (a standby, a
 * retirement) runs beside them and reports by an event. A start that must wait for the ledger waits aside: a fence or
 * an order never stands behind it.
 */
export class Effects {
  private readonly lanes: Readonly<Record<'operation' | 'detection', Lane<Due>>>;
  private readonly held = new Set<EffectCommand>();
  private beside = 0;

  constructor(
    private readonly about: EffectsAbout,
    private readonly recorder: Recorder,
  ) {
    const perform = async (due: Due): Promise<void> => {
      await this.waitForLedger(due);
      await this.perform(due.command.effect);
    };
    // Every effect is found again by reconcile, a deadline or the next report; it must not stop the ones behind it.
    const failed = ({ command }: Due, error: unknown): void =>
      log.warn('an effect failed', { type: command.effect.type, error: String(error) });
    this.lanes = { operation: new Lane(perform, failed), detection: new Lane(perform, failed) };
  }

  /**
   * Nothing is under way but what is held, which continue-as-new carries. A held start whose decision is durable by now
   * is about to go: a run that ended between the two would lose it.
   */
  get idle(): boolean {
    const { operation, detection } = this.lanes;
    const goes = this.waiting.some(({ afterEntry }) => this.recorder.isDurable(afterEntry));
    return operation.idle && detection.idle && this.beside === 0 && !goes;
  }

  /** Starts that wait for the ledger. */
  get waiting(): EffectCommand[] {
    return [...this.held];
  }

  push(command: EffectCommand): void {
    const { effect, ledgerDown, afterEntry } = command;
    if (effect.type === 'order' && this.withdraw(effect)) return;
    if (ledgerDown === 'hold' && !this.recorder.isDurable(afterEntry)) return void this.hold(command);
    const lane = effect.type === 'tell-detection' ? this.lanes.detection : this.lanes.operation;
    // The waits of effects that stand behind each other run at the same time, or a fence would be late by their sum.
    lane.push({ command, dueAt: Date.now() + this.about.policy().ledgerWaitMs });
  }

  private async hold(command: EffectCommand): Promise<void> {
    this.held.add(command);
    await this.recorder.untilDurable(command.afterEntry);
    if (this.held.delete(command)) this.lanes.operation.push({ command, dueAt: 0 });
  }

  /** An operation that is stopped before it was started is never started; it ends as its child would have said. */
  private withdraw({ operation, order }: Extract<Effect, { type: 'order' }>): boolean {
    if (order.type !== 'stop') return false;
    for (const command of this.held) {
      if (command.effect.type !== 'start-operation' || command.effect.input.operation !== operation) continue;
      this.held.delete(command);
      const why = `it had not begun: ${order.why}`;
      const what = { type: 'ended', outcome: 'cancelled', record: null, why, idle: [], verified: null } as const;
      this.about.enqueue({ type: 'step-reported', report: { operation, no: 1, at: Date.now(), what } });
      return true;
    }
    return false;
  }

  private async waitForLedger({ command, dueAt }: Due): Promise<void> {
    await this.recorder.durable(command.afterEntry, dueAt - Date.now());
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
        return this.about.listVersions();
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
    // Given up while it waited: its epochs are over, and nobody would listen to its reports.
    if (this.about.inFlight() !== input.operation) return;
    try {
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
    } catch (error) {
      // It ran before this history was reset, or its reports were lost: what it left is read at once, not at its deadline.
      log.warn('an operation was not started', { operation: input.operation, error: String(error) });
      this.besides(this.askOperation(input.operation));
    }
  }

  private async applyRoute({ record }: Extract<Effect, { type: 'apply-route' }>): Promise<void> {
    const { host } = this.about;
    try {
      const result = await routerOf(host).applyRoute.executeWithOptions(
        { summary: `epoch ${record.epoch}: ${record.primary}` },
        [record],
      );
      this.about.enqueue({
        type: 'route-applied',
        epoch: record.epoch,
        applied: result.applied,
        why: result.applied ? '' : result.detail,
      });
    } catch (error) {
      this.about.enqueue({
        type: 'route-applied',
        epoch: record.epoch,
        applied: false,
        why: String(error).slice(0, 300),
      });
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
    const { steps } = this.about.policy();
    const report = (backend: Parameters<typeof this.preparedEvent>[2], why: string): void =>
      this.about.enqueue(this.preparedEvent(version, instance, backend, why));
    try {
      const within = (scheduleToCloseTimeout: number, summary: string): ActivityOptions => ({
        scheduleToCloseTimeout,
        summary,
      });
      const valid = await control.validateArtifact.executeWithOptions(within(steps.validateMs, version), [
        { service, version, digest },
      ]);
      if (!valid.ok) return report(null, valid.why);
      const loaded = await hostOf(host).loadTarget.executeWithOptions(within(steps.loadMs, instance), [
        { service, version, digest, instance, model, readyWithinMs: Math.floor(steps.loadMs * LOAD_SHARE) },
      ]);
      if (!loaded.ok) return report(null, loaded.why);
      const proven = await control.probeInstance.executeWithOptions(within(steps.probeMs, instance), [
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
  private async runs(operation: string): Promise<boolean> {
    try {
      await getExternalWorkflowHandle(rollbackWorkflowId(this.about.service, operation)).signal(signalNames.asked);
      return true;
    } catch {
      return false;
    }
  }

  private waits(operation: string): boolean {
    return this.waiting.some(({ effect }) => effect.type === 'start-operation' && effect.input.operation === operation);
  }

  private async askOperation(operation: string): Promise<void> {
    const { service } = this.about;
    // What still waits for the ledger is not gone, it has not begun.
    const running = this.waits(operation) ? null : await this.runs(operation);
    const observed = await control.observeRoute(service).catch(() => null);
    this.about.enqueue({ type: 'operation-asked', operation, running: observed === null ? null : running, observed });
  }
}
