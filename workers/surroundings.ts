import { exporterReader, rulesOf } from '../adapters/environment/exporters/exporter-reader';
import { prometheusReader } from '../adapters/environment/exporters/prometheus-reader';
import { hardwareSignals, type HardwareReader } from '../adapters/environment/hardware-signals';
import { openHostEnvironment, type HostEnvironment } from '../adapters/environment/host-environment';
import { inputFits } from '../adapters/environment/input-fits';
import { inputSignals } from '../adapters/environment/input-signals';
import type { SignalSource } from '../adapters/environment/signal-source';
import { userSignals } from '../adapters/environment/user-signals';
import { prometheus } from '../adapters/telemetry/prometheus';
import { DEFAULT_TARGET } from '../domain/rollback/order';
import type { Adapters } from './composition';
import type { Configuration } from './configuration/configuration';
import type { ConfiguredExporter } from './configuration/hardware-schema';

const exporterEveryMs = 5_000;
/** A Prometheus server scrapes no oftener, as a rule. */
const prometheusEveryMs = 15_000;
/** A verdict may come two seconds after its onset, and takes what was read by then. */
const inputsEveryMs = 2_000;
const usersEveryMs = 15_000;
/** One service after the other is read: with many of them each less often, so that the readings stay a small part of the work. */
const eachUsersMs = 60;

/** All that is around the services: this host, their machines, what they depend on, their inputs, their users. */
export function openEnvironment(
  configuration: Configuration,
  { telemetry, store }: Pick<Adapters, 'telemetry' | 'store'>,
): HostEnvironment {
  const now = Date.now;
  const services = configuration.services.map(({ name }) => name);
  return openHostEnvironment({
    diskPath: configuration.dataDir,
    dependencies: Object.fromEntries(
      configuration.services.map(({ name, dependencies }) => [
        name,
        dependencies.map((url) => ({ name: dependencyName(url), url })),
      ]),
    ),
    more: [
      ...machines(configuration),
      inputSignals({ services, samples: telemetry, profileOf: store.inputProfile, everyMs: inputsEveryMs, now }),
      userSignals({ services, telemetry, everyMs: Math.max(usersEveryMs, services.length * eachUsersMs), now }),
    ],
  });
}

/** How well each version's data profile fits what its service is asked now. */
export function openInputFits(
  { services }: Configuration,
  { telemetry, store, router }: Pick<Adapters, 'telemetry' | 'store' | 'router'>,
  tell: (service: string) => Promise<void>,
): ReturnType<typeof inputFits> {
  return inputFits({
    services: services.map(({ name, policy }) => ({ name, everyMs: (policy.target ?? DEFAULT_TARGET).measureEveryMs })),
    samples: telemetry,
    versionsOf: async (service) => (await store.list(service)).map(({ version }) => version),
    profileOf: store.inputProfile,
    liveOf: async (service) => (await router.read(service)).record?.primary ?? null,
    tell,
    now: Date.now,
  });
}

/** What reads the state of a configured machine. */
export function readerOf(exporter: ConfiguredExporter): HardwareReader {
  const { source, ...about } = exporter;
  if ('url' in source) return exporterReader({ ...about, url: source.url }, Date.now);
  return prometheusReader({ ...about, ...source }, prometheus(), Date.now);
}

/** Each exporter once, however many services name it. */
function machines(configuration: Configuration): SignalSource[] {
  const found = new Map<string, { readonly exporter: ConfiguredExporter; readonly services: Set<string> }>();
  for (const { name, hardware } of configuration.services) {
    for (const exporter of hardware) {
      const key = JSON.stringify(exporter);
      const known = found.get(key) ?? { exporter, services: new Set<string>() };
      known.services.add(name);
      found.set(key, known);
    }
  }
  return [...found.values()].map(({ exporter, services }) =>
    hardwareSignals({
      machine: exporter.machine,
      reader: readerOf(exporter),
      rules: rulesOf(exporter.kind),
      everyMs: 'url' in exporter.source ? exporterEveryMs : prometheusEveryMs,
      quick: false,
      services,
      now: Date.now,
    }),
  );
}

/** Host and path: what stands in a query may be a secret, and names reach histories and alerts. */
function dependencyName(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname === '/' ? '' : pathname}`;
}
