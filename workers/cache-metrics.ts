import { Gauge, type Registry } from 'prom-client';
import type { CacheState } from '../activities/ports';
import type { RouteRecord } from '../domain/route';

type About = { readonly service: string; readonly cache: string };

/** What the controller knows of the output caches; labels are names of the configuration. */
export class CacheMetrics {
  private readonly reachable;
  private readonly behind;
  private readonly hitRatio;
  private readonly bytes;
  private readonly changed;

  constructor(registry: Registry) {
    const gauge = (name: string, help: string): Gauge<'service' | 'cache'> =>
      new Gauge({ name, help, labelNames: ['service', 'cache'], registers: [registry] });
    this.reachable = gauge('lastgood_cache_reachable', '1: the output cache answers');
    this.behind = gauge(
      'lastgood_cache_behind',
      '1: the output cache may serve answers of another version than the route',
    );
    this.hitRatio = gauge('lastgood_cache_hit_ratio', 'Share of the requests that the cache answered lately');
    this.bytes = gauge('lastgood_cache_used_bytes', 'Memory in use at the output cache');
    this.changed = gauge('lastgood_cache_changed_timestamp_seconds', 'Last change of what the cache may serve');
  }

  /** Null: it does not answer; what was last known stays. */
  observe({ service, cache }: About, state: CacheState | null, record: RouteRecord | null): void {
    const about = { service, cache };
    this.reachable.set(about, state === null ? 0 : 1);
    if (state === null) return;
    this.behind.set(about, record !== null && state.version !== null && state.version !== record.primary ? 1 : 0);
    const { hitRate, usedBytes } = state.figures;
    if (hitRate !== null) this.hitRatio.set(about, hitRate);
    if (usedBytes !== null) this.bytes.set(about, usedBytes);
    if (state.last) this.changed.set(about, state.last.at / 1_000);
  }
}
