import type { Alert } from '../../activities/ports';

/** The alert of a rollback that is under way. */
export function anAlert(change: Partial<Alert> = {}): Alert {
  return {
    key: 'mail-triage/inc-7/rolling-back',
    service: 'mail-triage',
    incident: 'inc-7',
    severity: 'page',
    at: Date.UTC(2026, 9, 1, 3, 12, 45),
    title: 'recall of bulk fell, rolling back to 1.2',
    wrong: 'recall of class bulk is 0.78, lower limit 0.90 (412 labelled mails), since 03:11:52 UTC',
    did: 'chose 1.2 because it was live for 9 days before 1.3 and its probes pass; the rollback has begun',
    users: 'about one in five bulk mails is still sorted wrongly by 1.3; no request is dropped',
    must: 'nothing until morning: the rollback needs no one',
    command: 'lastgood explain inc-7',
    link: 'http://127.0.0.1:7080/services/mail-triage/incidents/inc-7',
    ...change,
  };
}
