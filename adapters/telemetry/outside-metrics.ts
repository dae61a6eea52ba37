import { createHash } from 'node:crypto';
import type { OutsideMetrics, PushedMetrics } from '../../activities/ports';
import type { OutsideValue } from '../../domain/detection/outside-metric';
import type { ReportTool } from '../../domain/detection/drift-methods';
import type { ObservationBatch } from '../../gateway/protocol';
import type { Prometheus, PrometheusQuery } from './prometheus';
import { ReportRefused } from './reports/errors';
import { readEvidently } from './reports/evidently';
import type { WantedValue } from './reports/wanted';
import { readWhylogs } from './reports/whylogs';

/** Where a declared metric of one service comes from. */
export type OutsideSource =
  | { readonly from: 'pushed' }
  /** Read by lastgood itself and kept where the pushed ones are. */
  | { readonly from: 'engine' }
  | ({ readonly from: 'prometheus'; readonly everyMs: number } & PrometheusQuery);

export interface OutsideSources {
  readonly pushed: OutsideMetrics & Pick<PushedMetrics, 'take'>;
  readonly prometheus: Prometheus;
  /** Null for a metric that the service does not declare. */
  readonly sourceOf: (service: string, metric: string) => OutsideSource | null;
  /** What the service wants of the reports of a tool. */
  readonly wanted: (service: string, tool: ReportTool) => readonly WantedValue[];
}

const PROBLEMS_MAX = 20;
const ANSWERS_MAX = 100;

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
  /** The newest answer for each metric and length of time: until the next point is due, another question gives the same. */
  const answers = new Map<string, { readonly grid: string; readonly values: OutsideValue[] }>();

  async function asked(
    name: string,
    source: Extract<OutsideSource, { from: 'prometheus' }>,
    fromMs: number,
    toMs: number,
    limit: number,
  ): Promise<OutsideValue[]> {
    const { everyMs } = source;
    // No wider than the newest `limit` values: a longer time would come in wider steps.
    const from = Math.max(fromMs, toMs - limit * everyMs);
    const key = `${name} ${limit} ${Math.round((toMs - from) / everyMs)}`;
    const grid = `${Math.ceil(from / everyMs)} ${Math.ceil(toMs / everyMs)}`;
    const known = answers.get(key);
    if (known?.grid === grid) return known.values;
    const values = (await prometheus.range(source, from, toMs, everyMs)).slice(-limit);
    answers.delete(key);
    answers.set(key, { grid, values });
    for (const oldest of answers.keys()) {
      if (answers.size <= ANSWERS_MAX) break;
      answers.delete(oldest);
    }
    return values;
  }

  return {
    async values(service, metric, fromMs, toMs, limit) {
      const source = sourceOf(service, metric);
      if (source === null) throw new MetricUnknown(`${service}: no metric ${metric} is declared`);
      // What the copies told is kept where the pushed values are.
      if (source.from !== 'prometheus') return await pushed.values(service, metric, fromMs, toMs, limit);
      return await asked(`${service} ${metric}`, source, fromMs, toMs, limit);
    },
    async take(service, batch) {
      const problems = batch.items.flatMap(({ metric }, index) =>
        sourceOf(service, metric)?.from === 'engine'
          ? [
              `items.${index}.metric: found "${metric}", which lastgood reads itself (from the serving copies, or an Alertmanager)`,
            ]
          : [],
      );
      return problems.length > 0
        ? { taken: false, problems: problems.slice(0, PROBLEMS_MAX) }
        : await pushed.take(service, batch);
    },
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
