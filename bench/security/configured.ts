import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initialState } from '../../domain/service/initial-state';
import { reduce } from '../../domain/service/reduce';
import type { ServiceState, StoredVersion } from '../../domain/service/state';
import type { Configuration } from '../../workers/configuration/configuration';
import { loadConfiguration } from '../../workers/configuration/load';
import { NEWEST_RULES } from '../../workflows/contract/inputs';

export const SERVICES = ['mail', 'chat', 'loans'] as const;
/** The one in which some acts need two people. */
export const REGULATED = 'loans';
export const VERSIONS = ['1.0', '1.1', '1.2'] as const;

const TEXT = `
dataDir: data
api: { listen: 127.0.0.1:0 }
gateway: { metrics: 127.0.0.1:0 }
alerts: { terminal: false }
operators: { unverified: refuse }
services:
${SERVICES.map(
  (name) => `  ${name}:
    model: ${name}
    listen: 127.0.0.1:0
    firstByte: 300ms
    requestMax: 1s
    session: { header: x-session-id, cookie: sid, field: user, maxLifetime: 1m }
    itemId: { field: item }
    answer: { class: 'outputs[name=label].data[0]', score: 'outputs[name=score].data[0]', text: 'choices[0].text' }
    samples: { share: 1, maxCount: 200, redact: [email] }
    chaos: allow
    serving: { runtime: external, engine: open-inference, versions: { '1.0': 'http://127.0.0.1:1' } }
    metrics:
      groundedness: { kind: mean, unit: points, direction: down, practicalMargin: 3 }
      age-drift: { kind: distribution, practicalMargin: 3, window: 12h, source: { report: evidently, column: age, method: K-S p_value } }
      profile: { kind: distribution, practicalMargin: 3, window: 12h, source: { report: whylogs, column: age, method: ks } }
    policy: { regulated: ${String(name === REGULATED)} }
`,
).join('')}`;

/** A directory of its own, and what its `lastgood.yaml` says. */
export function configured(): { readonly directory: string; readonly configuration: Configuration } {
  const directory = mkdtempSync(join(tmpdir(), 'lastgood-site-'));
  const file = join(directory, 'lastgood.yaml');
  writeFileSync(file, TEXT);
  return { directory, configuration: loadConfiguration(file) };
}

/** A service that has begun with three good versions, the first of them live. */
export function startState({ services }: Configuration, service: string): ServiceState {
  const policy = services.find(({ name }) => name === service)?.policy;
  if (!policy) throw new Error(`${service} is not configured`);
  const versions = VERSIONS.map((version, at): StoredVersion => ({
    ...{ version, digest: `sha256:${version}`, importedAt: at + 1, probes: 8, model: service },
    evaluation: { accuracy: 0.96, n: 1_000, byClass: { spam: { n: 500, recall: 0.95, precision: 0.95 } } },
  }));
  const backends = { '1.0': [{ address: 'http://127.0.0.1:1', instance: `${service}@1.0#a`, digest: 'sha256:1.0' }] };
  const record = { service, epoch: 1, primary: '1.0', pins: [], backends };
  const observed = { record, floor: 0, fallback: null, pinned: {} };
  const started = { type: 'started', recovered: null, observed, ledgerReadable: true, versions } as const;
  const begun = initialState({ service, host: 'local', policy, rules: NEWEST_RULES, samples: true });
  return reduce(begun, started, Date.now(), NEWEST_RULES).state;
}
