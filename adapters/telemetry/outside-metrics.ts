import { createHash } from 'node:crypto';
import type { OutsideMetrics, PushedMetrics } from '../../activities/ports';
import type { ReportTool } from '../../domain/detection/drift-methods';
import type { ObservationBatch } from '../../gateway/protocol';
import type { Prometheus, PrometheusQuery } from './prometheus';
import { ReportRefused } from './reports/errors';
import { readEvidently } from './reports/evidently';
import type { WantedValue } from './reports/wanted';
import { readWhylogs } from './reports/whylogs';

/** Where a declared metric of one service comes from. */
export type OutsideSource =
  { readonly from: 'pushed' } | ({ readonly from: 'prometheus'; readonly everyMs: number } & PrometheusQuery);

export interface OutsideSources {
  readonly pushed: OutsideMetrics & Pick<PushedMetrics, 'take'>;
  readonly prometheus: Prometheus;
  /** Null for a metric that the service does not declare. */
  readonly sourceOf: (service: string, metric: string) => OutsideSource | null;
  /** What the service wants of the reports of a tool. */
  readonly wanted: (service: string, tool: ReportTool) => readonly WantedValue[];
}

/** A metric that the configuration does not know: a workflow may still ask for one that was taken out. */
export class MetricUnknown extends Error {
  override readonly name = 'MetricUnknown';
}

/** Every declared metric behind one port, wherever it is kept. */
export function outsideMetrics({
  pushed,
  prometheus,
  sourceOf,
  wanted,
}: OutsideSources): OutsideMetrics & PushedMetrics {
  return {
    async values(service, metric, fromMs, toMs, limit) {
      const source = sourceOf(service, metric);
      if (source === null) throw new MetricUnknown(`${service}: no metric ${metric} is declared`);
      if (source.from === 'pushed') return await pushed.values(service, metric, fromMs, toMs, limit);
      return (await prometheus.range(source, fromMs, toMs, source.everyMs)).slice(-limit);
    },
    take: (service, batch) => pushed.take(service, batch),
    async takeReport(service, tool, at, report) {
      const wants = wanted(service, tool);
      const refused = (problem: string) => ({ taken: false as const, problems: [problem], missing: [] });
      if (wants.length === 0)
        return refused(`${service} declares no metric with a source of ${tool}; see services.${service}.metrics`);
      try {
        const { values, missing } = (tool === 'evidently' ? readEvidently : readWhylogs)(report, wants);
        if (values.length === 0) return refused(nothingWanted(service, wants));
        const batch = batchOf(tool, at, report, values);
        return { ...(await pushed.take(service, batch)), missing };
      } catch (fault) {
        if (fault instanceof ReportRefused) return refused(fault.message);
        throw fault;
      }
    },
  };
}

function nothingWanted(service: string, wants: readonly WantedValue[]): string {
  const texts = wants.map(
    ({ name, metric, column }) => `${name} (${metric}${column === null ? '' : ` of the column ${column}`})`,
  );
  return `report: found no value of ${texts.join(', ')}, as services.${service}.metrics declares; expected at least one`;
}

/** The same report of the same time is the same batch. */
function batchOf(
  tool: ReportTool,
  at: string,
  report: unknown,
  values: readonly { readonly metric: string; readonly value: number }[],
): ObservationBatch {
  const digest = createHash('sha256').update(JSON.stringify(report)).digest('hex').slice(0, 32);
  return { key: `${tool}/${at}/${digest}`, items: values.map((value) => ({ ...value, at })) };
}
