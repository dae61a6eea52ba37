import type { Environment } from '../../activities/ports';
import type { Json } from '../../domain/ledger';
import { checkDependency, dependencyState, noteCheck, type Dependency, type DependencyHistory } from './dependencies';
import { compareHost, DEFAULT_HOST_RULES, type HostRules } from './host-change';
import { hostSource, type HostReading, type HostSource } from './host-readings';

export interface HostEnvironmentOptions {
  /** Dependencies by service. */
  readonly dependencies: Readonly<Record<string, readonly Dependency[]>>;
  /** File system whose free space counts: where artifacts and logs are. */
  readonly diskPath: string;
  /** Default 5 s. */
  readonly sampleMs?: number;
  /** How far back the own history reaches; default 1 h. */
  readonly historyMs?: number;
  readonly rules?: Partial<HostRules>;
  readonly source?: HostSource;
  readonly now?: () => number;
}

export interface HostEnvironment extends Environment {
  /** Takes one reading and asks every dependency once; the timer does the same. */
  sample(): Promise<void>;
  close(): void;
}

/**
 * Processor, memory and disk of this host against their own recent history, and the dependencies of each service by a
 * look at their URLs. Names in `changed` and `unmeasured`: `cpu`, `memory`, `disk`, `dependency:<name>`.
 * The history is in memory: after a restart a machine in a bad state is `unmeasured` until the history is long enough to
 * say whether it has always been in it.
 */
export function openHostEnvironment(options: HostEnvironmentOptions): HostEnvironment {
  const now = options.now ?? Date.now;
  const sampleMs = options.sampleMs ?? 5_000;
  const historyMs = options.historyMs ?? 3_600_000;
  const rules = { ...DEFAULT_HOST_RULES, ...options.rules };
  const source = options.source ?? hostSource({ diskPath: options.diskPath, now });
  const readings: HostReading[] = [];
  const histories = new Map<Dependency, DependencyHistory>();
  for (const dependency of Object.values(options.dependencies).flat()) {
    histories.set(dependency, { lastOkAt: null, failingSince: null, last: null });
  }
  let running: Promise<void> | null = null;

  async function readHost(): Promise<void> {
    readings.push(await source.read());
    const oldest = now() - historyMs;
    while ((readings[0]?.atMs ?? oldest) < oldest) readings.shift();
  }

  async function ask(dependencies: Iterable<Dependency>): Promise<void> {
    await Promise.all(
      [...dependencies].map(async (dependency) => {
        const history = histories.get(dependency);
        if (history) noteCheck(history, await checkDependency(dependency, now));
      }),
    );
  }

  function sample(): Promise<void> {
    // A slow dependency must not pile up samples behind it.
    running ??= Promise.all([readHost(), ask(histories.keys())]).then(
      () => void (running = null),
      (fault: unknown) => {
        running = null;
        throw fault;
      },
    );
    return running;
  }

  // A reading that fails is missing from the history, and `assess` says so.
  const timer = setInterval(() => void sample().catch(() => undefined), sampleMs);
  timer.unref();

  return {
    sample,
    close: () => clearInterval(timer),
    async assess(service, sinceMs) {
      const dependencies = options.dependencies[service] ?? [];
      await Promise.all([sample(), ask(dependencies)]);
      const changed: string[] = [];
      const unmeasured: string[] = [];
      const facts: Record<string, Json> = {};
      const note = (name: string, state: 'same' | 'changed' | 'unmeasured'): void => {
        if (state === 'changed') changed.push(name);
        if (state === 'unmeasured') unmeasured.push(name);
      };
      for (const { metric, state, recent, before, readings: counted } of compareHost(readings, sinceMs, rules)) {
        note(metric, state);
        facts[metric] = { state, recent: rounded(recent), before: rounded(before), readings: { ...counted } };
      }
      for (const dependency of dependencies) {
        const history = histories.get(dependency);
        if (!history) continue;
        // It was asked each `sampleMs`, so a failure may be up to two of them older or younger than the onset.
        const state = dependencyState(history, sinceMs, 2 * sampleMs);
        const name = `dependency:${dependency.name}`;
        note(name, state);
        facts[name] = { state, last: history.last?.why ?? null, failingSince: history.failingSince };
      }
      return { changed, unmeasured, facts };
    },
  };
}

function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1e4) / 1e4;
}
