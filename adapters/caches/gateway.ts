import { z } from 'zod';
import type { CacheState, OutputCache } from '../../activities/ports';
import type { CacheStrategy } from '../../domain/caches/choice';
import { gatewayCacheStateSchema, routerStateSchema, type GatewayCacheState } from '../../gateway/protocol';
import {
  gatewayControl,
  GatewayAnswerRefused,
  GatewayServiceUnknown,
  GatewayUnreachable,
  parseAnswer,
  type GatewayControl,
  type GatewayControlOptions,
} from '../traffic/gateway-control';
import { CacheRefused, CacheUnreachable } from './errors';

export interface GatewayCacheOptions {
  readonly service: string;
  readonly name: string;
  readonly strategy: CacheStrategy;
  readonly slaP99Ms: number | null;
  readonly modelPerSecond: number | null;
  /** Every gateway of the service, by name. */
  readonly gateways: readonly { readonly name: string; readonly control: GatewayControlOptions }[];
}

const droppedSchema = z.object({ dropped: z.int() });
const stateSchema = z.union([z.object({ off: z.literal(true) }), gatewayCacheStateSchema]);

/**
 * The answers that gateways keep. Their keys hold the version, so a shift needs nothing of this: it only makes that a version
 * that was left for cause begins anew should it ever come back.
 */
export class GatewayCache implements OutputCache {
  readonly name: string;
  readonly service: string;
  readonly strategy: CacheStrategy;
  private readonly gateways: readonly { readonly name: string; readonly control: GatewayControl }[];

  constructor(private readonly options: GatewayCacheOptions) {
    this.name = options.name;
    this.service = options.service;
    this.strategy = options.strategy;
    this.gateways = options.gateways.map(({ name, control }) => ({ name, control: gatewayControl(control) }));
  }

  async state(): Promise<CacheState> {
    const { slaP99Ms, modelPerSecond } = this.options;
    const [first, ...others] = await this.each(({ control }) => this.stateOf(control));
    const [route] = await this.each(async ({ control }) =>
      parseAnswer(routerStateSchema, (await control.call('GET', this.path(''))).json, `state of ${this.service}`),
    );
    if (!first) throw new CacheRefused(`${this.service} has no gateway that keeps answers`);
    const all = [first, ...others];
    const sum = (of: (state: GatewayCacheState) => number): number => all.reduce((total, each) => total + of(each), 0);
    return {
      kind: 'gateway',
      strategy: this.strategy,
      version: first.current,
      epoch: route?.record?.epoch ?? null,
      tag: null,
      last: first.choice
        ? {
            strategy: first.choice.strategy,
            why: first.choice.why,
            at: first.choice.at,
            by: 'the change of the version',
          }
        : null,
      figures: {
        hitRate: first.hitRate,
        requestsPerSecond: first.requestsPerSecond,
        missP99Ms: first.missP99Ms,
        ...{ slaP99Ms, modelPerSecond },
        usedBytes: sum(({ bytes }) => bytes),
        limitBytes: sum(({ maxBytes }) => maxBytes),
        evicts: true,
      },
      entries: sum(({ versions }) => Object.values(versions).reduce((total, { entries }) => total + entries, 0)),
    };
  }

  /** Idempotent: a version that is dropped twice has less in it the second time. The route itself is not ours to change. */
  async settle(...[change]: Parameters<OutputCache['settle']>): Promise<Awaited<ReturnType<OutputCache['settle']>>> {
    const { drop, by } = change;
    if (drop.length === 0) return { outcome: 'unchanged', tag: null };
    await this.drop([...drop], by);
    return { outcome: 'set', tag: null };
  }

  async invalidate({ by }: { readonly at: number; readonly by: string }): Promise<void> {
    await this.drop(null, by);
  }

  async close(): Promise<void> {
    await Promise.all(this.gateways.map(({ control }) => control.close()));
  }

  private async drop(versions: readonly string[] | null, by: string): Promise<void> {
    await this.each(async ({ control }) => {
      const { json } = await control.call('POST', this.path('/cache'), { versions, by: by.slice(0, 300) });
      parseAnswer(droppedSchema, json, `cache of ${this.service}`);
      // Read back: what was dropped is not there, whatever came since.
      const { lastDrop } = await this.stateOf(control);
      if (lastDrop?.by !== by.slice(0, 300))
        throw new GatewayUnreachable(`cache of ${this.service}: another one was dropped in between`);
    });
  }

  private async stateOf(control: GatewayControl): Promise<GatewayCacheState> {
    const { json } = await control.call('GET', this.path('/cache'));
    const state = parseAnswer(stateSchema, json, `cache of ${this.service}`);
    if ('off' in state)
      throw new GatewayAnswerRefused(
        `the gateway keeps no answers of ${this.service}: it was started with another configuration`,
      );
    return state;
  }

  /** All of them are asked; one that does not answer is named, and is no reason to leave the others out. */
  private async each<T>(ask: (gateway: { readonly control: GatewayControl }) => Promise<T>): Promise<T[]> {
    const results = await Promise.allSettled(this.gateways.map(ask));
    const faults = results.flatMap((result, index) =>
      result.status === 'rejected' ? [{ name: this.gateways[index]?.name ?? '', reason: result.reason as Error }] : [],
    );
    if (faults.length === 0) return results.map((result) => (result as PromiseFulfilledResult<T>).value);
    const words = faults
      .map(({ name, reason }) => `${name}: ${reason.message}`)
      .join('; ')
      .slice(0, 500);
    const refused = faults.every(
      ({ reason }) => reason instanceof GatewayAnswerRefused || reason instanceof GatewayServiceUnknown,
    );
    throw refused ? new CacheRefused(words) : new CacheUnreachable(words);
  }

  private path(rest: string): string {
    return `/services/${encodeURIComponent(this.service)}${rest}`;
  }
}
