import type { Alert } from '../../domain/alert';
import type { LedgerEntry } from '../../domain/ledger';
import { usersNow } from '../../domain/service/messages-for-people';
import type { ServiceEvent } from '../../domain/service/events';
import type { ServiceState } from '../../domain/service/state';

/** Alerts about lastgood itself; those about the service come from the reducer. */
export function ledgerSilent(state: ServiceState, now: number): Alert {
  const oldest = state.outbox[0];
  return {
    ...about(state, `ledger-silent/${oldest?.key ?? ''}`, now),
    title: `${state.service}: the ledger does not answer`,
    wrong: `${state.outbox.length} decisions wait to be written, the oldest: ${oldest?.summary ?? ''}`.slice(0, 900),
    did: 'Holds what the policy does not allow without a record; the decisions are kept and written later.',
    must: 'Bring the ledger back (disk full? process down?).',
    command: 'lastgood doctor',
  };
}

export function entryRefused(state: ServiceState, entry: LedgerEntry, why: string, now: number): Alert {
  return {
    ...about(state, `ledger-refused/${entry.key}`, now),
    title: `${state.service}: the ledger refuses a decision`,
    wrong: `${entry.key} (${entry.kind}: ${entry.summary.slice(0, 300)}): ${why}`,
    did: 'Left that entry out; the decisions behind it are written. What was decided goes on.',
    must: 'Note the decision by hand, and report this as a fault of lastgood.',
    command: `lastgood history ${state.service}`,
  };
}

export function reducerFailed(state: ServiceState, event: ServiceEvent, error: string, now: number): Alert {
  return {
    ...about(state, `reducer-failed/${event.type}/${error.slice(0, 40)}`, now),
    title: `${state.service}: lastgood failed to decide on ${event.type}`,
    wrong: error.slice(0, 500),
    did: 'Left that event out; everything else goes on.',
    must: 'Check the service yourself, and report this as a fault of lastgood.',
    command: `lastgood status ${state.service}`,
  };
}

function about(
  state: ServiceState,
  key: string,
  now: number,
): Pick<Alert, 'key' | 'service' | 'incident' | 'severity' | 'at' | 'users' | 'link'> {
  const { service, incident } = state;
  return {
    key: `${service}/${key}`,
    service,
    incident: incident?.id ?? null,
    severity: 'page',
    at: now,
    users: usersNow(state),
    link: null,
  };
}
