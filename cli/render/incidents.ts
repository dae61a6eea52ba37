import type { IncidentSummary } from '../../api/types';
import { moment, span, table } from './words';

export function renderIncidents(incidents: readonly IncidentSummary[]): string[] {
  if (incidents.length === 0) return ['no incident is on record'];
  const rows = incidents.map((incident) => [
    incident.incident,
    incident.service,
    moment(incident.beganAt),
    incident.endedAt === null ? 'open' : `ended after ${span(incident.endedAt - incident.beganAt)}`,
    incident.began,
  ]);
  return table(rows);
}
