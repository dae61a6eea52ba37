import { releaseFacts } from '../../workers/release';
import type { ApiPorts } from '../../api/ports';
import { MemoryLedger } from './memory-ledger';

/** What a test does not give is not there: a call fails with its name. */
export function stub<T extends object>(name: string, given: Partial<T> = {}): T {
  return new Proxy(given as T, {
    get: (target, key) => {
      if (key in target) return target[key as keyof T];
      throw new Error(`${name}.${String(key)} was not stubbed`);
    },
  });
}

/** The ports of the interface, for the service `mail`. */
export function apiPorts(given: { [port in keyof ApiPorts]?: Partial<ApiPorts[port]> } = {}): ApiPorts {
  return {
    services: [{ name: 'mail', model: 'mail', chaos: 'refuse' }],
    alertsChanged: () => 0,
    ledger: new MemoryLedger(),
    metrics: { contentType: 'text/plain', text: () => Promise.resolve('up 1\n') },
    health: () =>
      Promise.resolve({
        ok: true,
        pid: 1,
        startedAt: 2,
        version: '0',
        release: releaseFacts(),
        leads: true,
        parts: [],
      }),
    ...(given as Partial<ApiPorts>),
    decisions: stub('decisions', given.decisions),
    schedules: stub('schedules', given.schedules),
    router: stub('router', given.router),
    telemetry: stub('telemetry', given.telemetry),
    pushed: stub('pushed', given.pushed),
    evidence: stub('evidence', given.evidence),
    series: stub('series', given.series),
    caches: { of: () => [], ...given.caches },
    artifacts: stub('artifacts', given.artifacts),
  };
}
