import type { SearchAttributePair } from '@temporalio/common';
import { getExternalWorkflowHandle, log } from '@temporalio/workflow';
import type { ServicePolicy } from '../../domain/policy';
import type { Command, Effect } from '../../domain/service/commands';
import type { ServiceEvent } from '../../domain/service/events';
import { detectionWorkflowId, drillWorkflowId, retirementWorkflowId, rollbackWorkflowId } from '../contract/ids';
import { signalNames } from '../contract/signals';
import { hostOf, routerOf } from '../proxies';
import { childAttributes } from './details';
import { startDrill } from './drill-work';
import { Lane } from './lane';
import { askOperation, neverBegun, startOperation } from './operation-work';
import type { Recorder } from './recorder';
import { startRetirement } from './retirement-work';
import { StandbyWork } from './standby-work';

export type EffectCommand = Extract<Command, { kind: 'effect' }>;

/** A decision may be shown to the world without its record from then on, where the policy says `proceed`. */
interface Due {
  readonly command: EffectCommand;
  readonly dueAt: number;
}

export interface EffectsAbout {
  readonly service: string;
  readonly host: string;
  readonly policy: () => Pick<ServicePolicy, 'ledgerWaitMs' | 'steps' | 'replicas'>;
  /** The operation that may change the route now. */
  readonly inFlight: () => string | null;
  /** The drill under way. */
  readonly drill: () => string | null;
  readonly enqueue: (event: ServiceEvent) => void;
  readonly listVersions: () => void;
  /** Search attributes that are registered. */
  readonly searchAttributes: readonly string[];
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
  private readonly standbys: StandbyWork;
  private beside = 0;

  constructor(
    private readonly about: EffectsAbout,
    private readonly recorder: Recorder,
  ) {
    this.standbys = new StandbyWork(about);
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
      this.about.enqueue(neverBegun(operation, order.why));
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
        // Given up while it waited: its epochs are over, and nobody would listen to its reports.
        if (this.about.inFlight() !== effect.input.operation) return;
        // It ran before this history was reset, or its reports were lost: what it left is read at once, not at its deadline.
        if (!(await this.startOperation(effect))) this.besides(this.askOperation(effect.input));
        return;
      case 'order':
        return getExternalWorkflowHandle(rollbackWorkflowId(service, effect.operation)).signal(
          signalNames.orderGiven,
          effect.order,
        );
      case 'start-drill':
        // It ended while it waited for the ledger. In the lane: a stop comes after its start.
        if (this.about.drill() !== effect.input.drill) return;
        return await startDrill(effect, this.attributesOf(effect.input.version, null));
      case 'order-drill':
        return getExternalWorkflowHandle(drillWorkflowId(service, effect.drill)).signal(
          signalNames.drillOrdered,
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
        return this.besides(this.standbys.prepare(effect));
      case 'cancel-preparation':
        return this.standbys.cancel(effect.instance);
      case 'retire':
        return this.besides(startRetirement(effect, this.attributesOf(effect.input.version, null)));
      case 'inspect-host':
        return this.besides(this.inspectHost());
      case 'spare':
        return getExternalWorkflowHandle(retirementWorkflowId(service, effect.instance)).signal(signalNames.spared);
      case 'ask-operation':
        return this.besides(this.askOperation(effect));
      case 'list-versions':
        return this.about.listVersions();
      case 'end':
        // The loop has seen it: it ends when everything before is done.
        return;
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

  private async inspectHost(): Promise<void> {
    const { service, host } = this.about;
    const hosts = this.about.policy().replicas?.hosts ?? [host];
    await Promise.all(hosts.map((name) => this.inspectOne(service, name)));
  }

  private async inspectOne(service: string, host: string): Promise<void> {
    const found = await hostOf(host).inspectInstances.executeWithOptions({ summary: 'what runs on the host' }, [
      service,
    ]);
    const instances = found.filter(({ state }) => state !== 'exited').slice(0, 50);
    this.about.enqueue({
      type: 'instances-inspected',
      instances: instances.map(({ version, instance }) => ({ version, instance })),
    });
  }

  private async startOperation(effect: Extract<Effect, { type: 'start-operation' }>): Promise<boolean> {
    const { candidates, incident } = effect.input;
    return await startOperation(effect, this.attributesOf(candidates[0]?.version ?? 'none', incident));
  }

  private attributesOf(version: string, incident: string | null): SearchAttributePair[] {
    return childAttributes({ service: this.about.service, version, incident }, this.about.searchAttributes);
  }

  private async askOperation(asked: { readonly operation: string; readonly knownToWait?: boolean }): Promise<void> {
    // What still waits for the ledger is not gone, it has not begun.
    this.about.enqueue(await askOperation(this.about.service, asked, this.waits(asked.operation)));
  }

  private waits(operation: string): boolean {
    return this.waiting.some(({ effect }) => effect.type === 'start-operation' && effect.input.operation === operation);
  }
}
