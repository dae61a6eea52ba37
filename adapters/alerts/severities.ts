import type { AlertSeverity } from '../../domain/alert';
import type { AlertSink } from './sink';

/** A sink that gets some severities; of the others it has nothing to show. */
export function forSeverities(severities: readonly AlertSeverity[], sink: AlertSink): AlertSink {
  return { ...sink, takes: ({ severity }) => severities.includes(severity) };
}
