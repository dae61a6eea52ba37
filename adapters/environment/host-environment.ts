import { dependencySignals } from './dependency-signals';
import type { Dependency } from './dependencies';
import { DEFAULT_HOST_RULES, type HardwareRules } from './hardware-change';
import { hardwareSignals } from './hardware-signals';
import { hostSource, type HostSource } from './host-readings';
import { joinEnvironment, type JoinedEnvironment } from './joined-environment';
import type { SignalSource } from './signal-source';

export interface HostEnvironmentOptions {
  /** Dependencies by service. */
  readonly dependencies: Readonly<Record<string, readonly Dependency[]>>;
  /** File system whose free space counts: where artifacts and logs are. */
  readonly diskPath: string;
  /** How often the dependencies are asked; default 5 s. The host is read each second, or as often as this. */
  readonly sampleMs?: number;
  /** How far back all readings of the host are kept; default 1 h, then medians of five minutes. */
  readonly historyMs?: number;
  readonly rules?: HardwareRules;
  readonly source?: HostSource;
  readonly now?: () => number;
  /** What else is around the services: other machines, inputs, users. */
  readonly more?: readonly SignalSource[];
}

export type HostEnvironment = JoinedEnvironment;

/**
 * Processor, memory and disk of this host against their own recent history, the dependencies of each service by a look at
 * their URLs, and what else is given. Names in `changed` and `unmeasured`: `cpu`, `memory`, `disk`, `dependency:<name>`,
 * and those of the other sources. The history is in memory: after a restart a machine in a bad state is `unmeasured` until
 * the history is long enough to say whether it has always been in it.
 */
export function openHostEnvironment(options: HostEnvironmentOptions): HostEnvironment {
  const now = options.now ?? Date.now;
  const everyMs = options.sampleMs ?? 5_000;
  const source = options.source ?? hostSource({ diskPath: options.diskPath, now });
  const host = hardwareSignals({
    machine: '',
    reader: {
      async read() {
        const { atMs, cpuBusy, memoryAvailable, diskFree } = await source.read();
        return { atMs, values: { cpu: cpuBusy, memory: memoryAvailable, disk: diskFree } };
      },
    },
    rules: options.rules ?? DEFAULT_HOST_RULES,
    everyMs: options.sampleMs ?? 1_000,
    quick: true,
    services: null,
    ...(options.historyMs === undefined ? {} : { historyMs: options.historyMs }),
    now,
  });
  return joinEnvironment([
    host,
    dependencySignals({ dependencies: options.dependencies, everyMs, now }),
    ...(options.more ?? []),
  ]);
}
