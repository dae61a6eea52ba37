import type { Alert, AlertSeverity } from '../alert';
import type { Incident, ServiceState } from './state';
import type { Turn } from './turn';

/** Time of day in UTC, for sentences. */
export function clock(ms: number): string {
  return `${new Date(ms).toISOString().slice(11, 19)} UTC`;
}

/** `1.4 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.round((ms % 60_000) / 1000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

interface Lines {
  readonly severity: AlertSeverity;
  readonly title: string;
  readonly did: string;
  readonly users: string;
  readonly must: string;
  readonly command?: string;
}

/** The alert of an incident's state: one key a state, so that a repeated one is shown once. */
export function alertIncident(turn: Turn, state: string, incident: Incident, lines: Lines): void {
  const { service } = turn.state;
  turn.alert({
    key: `${service}/${incident.id}/${state}`,
    incident: incident.id,
    severity: lines.severity,
    title: lines.title,
    wrong: incident.sentence,
    did: lines.did,
    users: lines.users,
    must: lines.must,
    command: lines.command ?? `lastgood explain ${incident.id}`,
    link: null,
  });
}

/** An alert that belongs to the service, not to an incident. */
export function alertService(
  turn: Turn,
  key: string,
  alert: Omit<Alert, 'key' | 'service' | 'at' | 'incident' | 'link'>,
): void {
  turn.alert({ ...alert, key: `${turn.state.service}/${key}`, incident: null, link: null });
}

/** Who serves the users now, in words. */
export function usersNow(state: ServiceState): string {
  const { fallbackInUse, declared } = state;
  if (fallbackInUse) return `served by the fallback ${fallbackInUse.version} since ${clock(fallbackInUse.since)}`;
  return declared ? `served by ${declared.primary}` : 'not served';
}
