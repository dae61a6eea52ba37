import { connect } from 'node:net';
import type { Service, Way } from './service';
import type { Lane, Target, Tries } from './upstream';

/** A host that does not even refuse within this is as good as one that does. */
const CONNECT_MS = 1_000;

/**
 * A lane that looks dead by the resets of one request only is asked for a connection: a request may reset every backend that
 * it is sent to, and all of them serve everybody else. Resolves when it is known which backends accept none.
 */
export async function askForConnections({ targets }: Lane): Promise<void> {
  const doubtful = targets.filter(({ health }) => !health.isProvenDead());
  await Promise.all(doubtful.map(askTarget));
}

async function askTarget({ upstream, health }: Target): Promise<void> {
  const { hostname, port, protocol } = new URL(upstream.address);
  const at = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'https:' ? 443 : 80) };
  const accepts = await new Promise<boolean>((resolve) => {
    const socket = connect(at);
    const end = (accepted: boolean) => (): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.setTimeout(CONNECT_MS, end(false));
    socket.once('connect', end(true));
    socket.once('error', end(false));
  });
  if (!accepts) health.failed('refused', performance.now());
}

/** Whether a request has ended several backends while nobody else was there: it is not sent to another one. */
export function endedSeveral(tried: ReadonlyMap<Target, Tries> | null): boolean {
  const ended = [...(tried ?? [])].filter(([{ health }, { resets }]) => resets > 0 && !health.hasWitnesses());
  return ended.length > 1;
}

export function beginFallback(service: Service, dead: Way): Way | null {
  return service.beginFallback(`no backend of ${dead.choice.version} accepts a connection or answers`);
}
