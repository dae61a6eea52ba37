import { isCancellation } from '@temporalio/workflow';
import { hostOfInstance, howAllEnded, type HostEndings } from '../../domain/hosts';
import type { Backend } from '../../domain/route';
import type { LiveResult } from '../contract/activities';
import { hostOf } from '../proxies';
import { lostCall } from '../rollback/activity-failure';

/** Nobody may be there; the users of a version of which no copy is left wait for it. */
const ANSWER_WITHIN_MS = 5_000;

/** True where only their hosts can tell what became of the copies. */
export function areOnNamedHosts(copies: readonly Backend[]): boolean {
  return copies.length > 0 && copies.every(({ instance }) => hostOfInstance(instance) !== null);
}

/** Copies of which none answers, as their hosts see them: `dead` where it is known how all ended, else what was seen. */
export async function askHosts(service: string, copies: readonly Backend[], seen: LiveResult): Promise<LiveResult> {
  const byHost = new Map<string, string[]>();
  for (const { instance } of copies) {
    const host = hostOfInstance(instance) ?? '';
    byHost.set(host, [...(byHost.get(host) ?? []), instance]);
  }
  const why = howAllEnded(await Promise.all([...byHost].map(([host, asked]) => endingsOn(service, host, asked))));
  return why === null ? seen : { condition: 'dead', at: seen.at, why };
}

async function endingsOn(service: string, host: string, asked: readonly string[]): Promise<HostEndings> {
  try {
    const found = await hostOf(host).inspectInstances.executeWithOptions(
      { scheduleToStartTimeout: ANSWER_WITHIN_MS, summary: `how the copies on ${host} ended` },
      [service],
    );
    const exited = new Set(found.filter(({ state }) => state === 'exited').map(({ instance }) => instance));
    return { host, asked, ended: asked.filter((instance) => exited.has(instance)) };
  } catch (error) {
    if (isCancellation(error)) throw error;
    // A host that answers too late or with a fault may well have its copies.
    return { host, asked, ended: lostCall(error).kind === 'unreachable' ? null : [] };
  }
}
