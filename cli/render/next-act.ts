import type { ServiceView } from '../../api/types';

/** What the reader should do now, with the exact command; nothing when nothing is to be done. */
export function nextAct(view: ServiceView): string[] {
  const { service, status } = view;
  if (!status) return [view.gateway?.record?.detached ? `lastgood attach ${service} --reason '…'` : 'lastgood doctor'];
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
  const live = state.versions.find(({ version }) => version === state.declared?.primary);
  const barred = live?.standing === 'revoked' || live?.standing === 'quarantined';
  if ((held || barred) && !operation) return [`lastgood explain ${service}`, wayOut(view, readiness.target)];
  if (incident) return [`lastgood explain ${incident.id}`];
  if (state.versions.length === 0) return ['lastgood artifacts import DIRECTORY'];
  if (!state.declared) return [`lastgood deploy ${service}@VERSION --reason '…'`];
  if (readiness.target === null && state.versions.length < 2) return ['lastgood artifacts import DIRECTORY'];
  return [];
}

/** A rollback where there is something to roll back to; else what serves must be mended where it runs. */
function wayOut({ service, status }: ServiceView, target: string | null): string {
  if (target !== null) return `lastgood rollback ${service} --reason '…'`;
  const { declared } = status?.state ?? {};
  const address = declared?.backends[declared.primary]?.[0]?.address;
  return `mend ${declared?.primary ?? 'what serves'}${address === undefined ? '' : ` at ${address}`}: there is no other version that may take over`;
}
