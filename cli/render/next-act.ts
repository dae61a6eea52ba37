import type { ServiceView } from '../../api/types';

/** What the reader should do now, with the exact command; nothing when nothing is to be done. */
export function nextAct(view: ServiceView): string[] {
  const { service, status } = view;
  if (!status) return ['lastgood doctor'];
  const { state, readiness } = status;
  const { incident, operation, breaker } = state;
  if (operation && operation.waiting !== null)
    return [
      `lastgood explain ${operation.incident ?? operation.id} --service ${service}`,
      `lastgood intervene ${operation.incident ?? operation.id} retry --reason 'WHY'   (or: choose --target VERSION, accept, abort)`,
    ];
  if (incident?.phase === 'awaiting-approval')
    return [`lastgood explain ${incident.id}`, `lastgood approve ${incident.id} --reason '…'`];
  if (state.pausedWhy !== null) return [`lastgood history ${service}`, `lastgood resume ${service} --reason '…'`];
  if (breaker.open && !operation)
    return [
      `lastgood explain ${breaker.incident ?? service}`,
      `lastgood breaker clear ${service} --epoch ${breaker.epoch} --reason '…'`,
    ];
  if (incident?.phase === 'waiting-for-human' || incident?.phase === 'on-fallback')
    return [`lastgood explain ${incident.id}`, `lastgood rollback ${service} --to VERSION --reason '…'`];
  const held = state.degradations.find(({ decided }) => decided === 'held' || decided === 'refused');
  if (held && !operation) return [`lastgood explain ${service}`, `lastgood rollback ${service} --reason '…'`];
  if (incident) return [`lastgood explain ${incident.id}`];
  if (state.versions.length === 0) return ['lastgood artifacts import DIRECTORY'];
  if (!state.declared) return [`lastgood deploy ${service}@VERSION --reason '…'`];
  if (readiness.target === null && state.versions.length < 2) return ['lastgood artifacts import DIRECTORY'];
  return [];
}
