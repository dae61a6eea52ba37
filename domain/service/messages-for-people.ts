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
    wrong: sinceWords(incident.sentence, incident.onsetAt),
    did: lines.did,
    users: lines.users,
    must: lines.must,
    command: lines.command ?? `lastgood explain ${incident.id} --service ${service}`,
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

/** What is wrong, and since when: an alert says both, whatever the sentence of the verdict left out. */
export function sinceWords(sentence: string, since: number | null): string {
  return since === null || sentence.includes('since') ? sentence : `${sentence}, since ${clock(since)}`;
}

/** Who serves the users now and how, in words. */
export function usersNow(state: Pick<ServiceState, 'fallbackInUse' | 'declared' | 'degradations'>): string {
  const { fallbackInUse, declared, degradations } = state;
  if (fallbackInUse) return `served by the fallback ${fallbackInUse.version} since ${clock(fallbackInUse.since)}`;
  if (!declared) return 'not served';
  if (declared.gap) return `not served until about ${clock(declared.gap.expectedAt)}: they get 503 with Retry-After`;
  const bad = new Set(
    degradations.filter(({ version }) => version === declared.primary).map(({ verdict }) => verdict.metric),
  );
  return `served by ${declared.primary}${bad.size > 0 ? `, degraded in ${[...bad].slice(0, 4).join(', ')}` : ''}`;
}
