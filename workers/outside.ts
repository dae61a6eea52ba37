import { join } from 'node:path';
import type { EvidenceStore, OutsideMetrics, PushedMetrics } from '../activities/ports';
import { directoryEvidence } from '../adapters/evidence/directory-evidence';
import { gatewayObservations } from '../adapters/telemetry/gateway-observations';
import { outsideMetrics, type OutsideSource } from '../adapters/telemetry/outside-metrics';
import { prometheus } from '../adapters/telemetry/prometheus';
import type { WantedValue } from '../adapters/telemetry/reports/wanted';
import type { ReportTool } from '../domain/detection/drift-methods';
import { serviceNamed, type Configuration } from './configuration/configuration';
import type { RunPaths } from './embedded/paths';

export type Outside = OutsideMetrics & PushedMetrics & { close(): Promise<void> };

/** The metrics that come from outside, as the configuration declares them. */
export function openOutside(configuration: Configuration, paths: RunPaths): Outside {
  const pushed = gatewayObservations({ address: paths.gatewayControl });
  const metrics = outsideMetrics({
    pushed,
    prometheus: prometheus(),
    sourceOf: (service, metric) => sourceOf(configuration, service, metric),
    wanted: (service, tool) => wantedOf(configuration, service, tool),
  });
  return { ...metrics, close: () => pushed.close() };
}

/** Pictures of incidents, beside the ledger that says their digests. */
export function openEvidence(configuration: Configuration): EvidenceStore {
  return directoryEvidence(join(configuration.dataDir, 'evidence'));
}

export function sourceOf(configuration: Configuration, service: string, metric: string): OutsideSource | null {
  const declared = serviceNamed(configuration, service)?.metrics.find(({ policy }) => policy.metric === metric);
  if (declared === undefined) return null;
  const { source } = declared;
  if (source.from === 'prometheus') return source;
  return { from: source.from === 'engine' || source.from === 'alertmanager' ? 'engine' : 'pushed' };
}

function wantedOf(configuration: Configuration, service: string, tool: ReportTool): WantedValue[] {
  const metrics = serviceNamed(configuration, service)?.metrics ?? [];
  return metrics.flatMap(({ policy, source }) => {
    if (source.from !== 'report' || source.tool !== tool) return [];
    const { metric, column, method, field } = source;
    return [{ name: policy.metric, metric, column, method, field }];
  });
}
