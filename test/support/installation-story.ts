import type { ChainedEntry } from '../../domain/ledger';
import type { ServiceStatus } from '../../workflows/contract/status';
import { degradation } from './installation-api';
import { Installation, type InstallationOptions } from './installation';
import type { LightVersion } from './light-versions';

let told = 0;

/** An installation with light versions of which the last one is live and one before it is vouched for. */
export async function startLight(
  options: Omit<InstallationOptions, 'models'>,
  versions: readonly LightVersion[] = [{ version: '1.0' }, { version: '1.1' }, { version: '1.2' }],
): Promise<Installation> {
  const installation = await Installation.start({ ...options, models: 'light' });
  for (const version of versions) await installation.importLight(version);
  return installation;
}

export async function deploy(installation: Installation, version: string): Promise<void> {
  await installation.api.accepted('deploy', { version });
  await installation.api.whenState(
    `${version} is live`,
    (state) => state.declared?.primary === version && state.operation === null,
    40_000,
  );
}

/** Says to the service what detection would say of the version that is live. Resolves to that version and id. */
export async function degrade(
  installation: Installation,
  change: Parameters<typeof degradation>[2] = {},
): Promise<{ id: string; from: string; after: number }> {
  const route = await installation.api.whenState('a route', ({ declared }) => declared);
  const after = await installation.api.ledgerHead();
  told += 1;
  const report = degradation(`told-${process.pid}-${told}`, route, change);
  await installation.signalService('degradationBegan', report);
  return { id: report.id, from: route.primary, after };
}

/** Every version may be chosen again, and no cooldown is left. */
export async function forgive(installation: Installation): Promise<ServiceStatus['state']> {
  const { api } = installation;
  const before = await api.whenState('no operation', (state) => (state.operation === null ? state : null), 40_000);
  for (const { version, standing } of before.versions)
    if (standing === 'quarantined' || standing === 'suspect') await api.accepted('clearQuarantine', { version });
  return await api.whenState('no cooldown', (state) =>
    state.cooldownUntil === null || state.cooldownUntil < Date.now() ? state : null,
  );
}

/** Where the traffic was moved, by entries after `after`: each change of the primary once. */
export function moves(entries: readonly ChainedEntry[]): string[] {
  return entries
    .filter(({ kind, facts }) => kind === 'traffic-shifted' && facts['from'] !== undefined)
    .map(({ facts }) => `${String(facts['from'])}→${String(facts['to'])}`);
}

export function ofKind(entries: readonly ChainedEntry[], kind: ChainedEntry['kind']): ChainedEntry[] {
  return entries.filter((entry) => entry.kind === kind);
}

/** The steps that succeeded, in their order. */
export function stepsOf(entries: readonly ChainedEntry[]): string[] {
  return ofKind(entries, 'step-succeeded').map(({ facts }) => String(facts['step']));
}

/** Nothing is in flight, no cooldown is left, and the router may use a proven standby by itself. Resolves to the two. */
export async function standbyReady(installation: Installation): Promise<{ live: string; standby: string }> {
  return await installation.api.whenState(
    'a fallback',
    ({ declared, standby, operation, cooldownUntil }) => {
      if (declared?.fallback === undefined || operation !== null || (cooldownUntil ?? 0) > Date.now()) return null;
      const { primary: live, fallback } = declared;
      return standby?.version === fallback && standby.proof === 'ok' ? { live, standby: fallback } : null;
    },
    60_000,
  );
}

/** The attempts that the calls of one activity of a workflow took, in order of their starts, by Temporal's own history. */
export async function attemptsOf(installation: Installation, workflowId: string, activity: string): Promise<number[]> {
  const history = await (await installation.temporal()).workflow.getHandle(workflowId).fetchHistory();
  const events = history.events ?? [];
  const scheduled = events
    .filter((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === activity)
    .map(({ eventId }) => String(eventId));
  return events
    .flatMap(({ activityTaskStartedEventAttributes: started }) => (started ? [started] : []))
    .filter(({ scheduledEventId }) => scheduled.includes(String(scheduledEventId)))
    .map(({ attempt }) => attempt ?? 0);
}
