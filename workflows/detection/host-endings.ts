import { hostOfInstance } from '../../domain/hosts';
import type { Backend } from '../../domain/route';
import type { LiveResult } from '../contract/activities';
import { hostOf } from '../proxies';
import { lostCall } from '../rollback/activity-failure';

/** Nobody may be there; the users of a version of which no copy is left wait for it. */
const ANSWER_WITHIN_MS = 5_000;

/** What became of the copies on a host: how each ended that is known to have, or null where nobody answers for the host. */
type Endings = { readonly asked: readonly Backend[]; readonly ended: readonly string[] | null };

/** True where only their hosts can tell what became of the copies. */
export function areOnNamedHosts(copies: readonly Backend[]): boolean {
  return copies.length > 0 && copies.every(({ instance }) => hostOfInstance(instance) !== null);
}

/**
 * Silent copies are dead when every host that answers says that its own have ended, and at least one answers: a host for
 * which nobody answers took its copies with it, as far as the users are concerned. No host at all: nothing is known.
 */
export async function askHosts(service: string, copies: readonly Backend[], seen: LiveResult): Promise<LiveResult> {
  const hosts = [...new Set(copies.map(({ instance }) => hostOfInstance(instance) ?? ''))];
  const all = await Promise.all(
    hosts.map((host) =>
      endingsOn(
        service,
        host,
        copies.filter(({ instance }) => hostOfInstance(instance) === host),
      ),
    ),
  );
  const known = all.flatMap(({ asked, ended }) => (ended === null ? [] : [{ asked, ended }]));
  if (known.length === 0 || known.some(({ asked, ended }) => ended.length < asked.length)) return seen;
  const gone = hosts.filter((_host, index) => all[index]?.ended === null);
  const words = [...known.flatMap(({ ended }) => ended), ...gone.map((host) => `nobody answers for ${host}`)];
  return { condition: 'dead', at: seen.at, why: words.join('; ').slice(0, 300) };
}

async function endingsOn(service: string, host: string, asked: readonly Backend[]): Promise<Endings> {
  try {
    const found = await hostOf(host).inspectInstances.executeWithOptions(
      { scheduleToStartTimeout: ANSWER_WITHIN_MS, summary: `how the copies on ${host} ended` },
      [service],
    );
    const hasEnded = ({ instance }: Backend): boolean =>
      found.some((one) => one.instance === instance && one.state === 'exited');
    return { asked, ended: asked.filter(hasEnded).map(({ instance }) => `${instance} ended`) };
  } catch (error) {
    // A host that answers too late or with a fault may well have its copies.
    return { asked, ended: lostCall(error).kind === 'unreachable' ? null : [] };
  }
}
