/** The server's numbers in Prometheus' text form. */
import type { LoadedVersion } from './loaded-version';

export interface Counters {
  count(status: number): void;
  inference(durationMs: number): void;
  /** An inference request arrived (+1) or is gone, answered or not (−1). */
  inFlight(change: 1 | -1): void;
  read(): { byStatus: ReadonlyMap<number, number>; inferences: number; inferenceMs: number; inFlight: number };
}

export function openCounters(): Counters {
  const byStatus = new Map<number, number>();
  let inferences = 0;
  let inferenceMs = 0;
  let inFlight = 0;
  return {
    count: (status) => void byStatus.set(status, (byStatus.get(status) ?? 0) + 1),
    inference: (durationMs) => {
      inferences += 1;
      inferenceMs += durationMs;
    },
    inFlight: (change) => {
      inFlight += change;
    },
    read: () => ({ byStatus, inferences, inferenceMs, inFlight }),
  };
}

export function metricsText(counters: Counters, loaded: LoadedVersion | undefined, cacheBytes: number): string {
  const { byStatus, inferences, inferenceMs, inFlight } = counters.read();
  const statuses = [...byStatus].sort(([a], [b]) => a - b);
  return [
    '# HELP process_resident_memory_bytes Resident memory size in bytes.',
    '# TYPE process_resident_memory_bytes gauge',
    `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    '# HELP mail_triage_requests_total Requests by status of the answer.',
    '# TYPE mail_triage_requests_total counter',
    ...statuses.map(([status, count]) => `mail_triage_requests_total{status="${status}"} ${count}`),
    '# HELP mail_triage_inference_seconds Time in the model.',
    '# TYPE mail_triage_inference_seconds summary',
    `mail_triage_inference_seconds_sum ${inferenceMs / 1000}`,
    `mail_triage_inference_seconds_count ${inferences}`,
    '# HELP mail_triage_requests_in_flight Inference requests that are not answered yet.',
    '# TYPE mail_triage_requests_in_flight gauge',
    `mail_triage_requests_in_flight ${inFlight}`,
    '# HELP mail_triage_prepared_mail_cache_bytes Memory held by the cache of prepared mails.',
    '# TYPE mail_triage_prepared_mail_cache_bytes gauge',
    `mail_triage_prepared_mail_cache_bytes ${cacheBytes}`,
    '# HELP mail_triage_version_info The version that is loaded.',
    '# TYPE mail_triage_version_info gauge',
    ...(loaded ? [`mail_triage_version_info{version="${loaded.version}",digest="${loaded.digest}"} 1`] : []),
    '',
  ].join('\n');
}
