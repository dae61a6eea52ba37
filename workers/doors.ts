import { chmod, rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ApiPorts } from '../api/ports';
import { LiveFeeds } from '../api/live/live-feeds';
import { createApiServer } from '../api/server';
import { ensureToken, readJson } from './files';
import { identityProofs } from './identity';
import type { ProcessOptions } from './process-options';
import { distDirectory } from './program';

/** The listeners of the controller's interface: the socket of its user, and the address of everybody else. */
export async function openDoors(
  ports: ApiPorts,
  { configuration, paths, log }: ProcessOptions,
): Promise<{ servers: FastifyInstance[]; address: string }> {
  const onError = (error: Error, what: string): void => log.error({ err: error }, what);
  const { listen, tls, tokenFile, identity } = configuration.api;
  const proofs = identityProofs(identity, ensureToken(tokenFile), log);
  const shared = { onError, live: new LiveFeeds(ports), consoleDirectory: join(distDirectory(), 'console') };
  const local = createApiServer(ports, { door: { kind: 'socket', user: userInfo().username }, tls: null, ...shared });
  const remote = createApiServer(ports, { door: { kind: 'tcp', proofs }, tls, ...shared });
  await rm(paths.apiSocket, { force: true });
  // Its directory has mode 0700, so nobody else reaches the socket between these two calls.
  await local.listen({ path: paths.apiSocket });
  await chmod(paths.apiSocket, 0o600);
  const address = await listenWhereItWas(remote, listen, await readJson(paths.controllerReport, reportSchema));
  return { servers: [local, remote], address };
}

const reportSchema = z.object({ api: z.string() });

/** With port 0: the port that a controller which died had, so that its clients find this one; else any free one. */
async function listenWhereItWas(
  server: FastifyInstance,
  { host, port }: { readonly host: string; readonly port: number },
  former: z.infer<typeof reportSchema> | null,
): Promise<string> {
  const formerPort = port === 0 && former !== null ? Number(new URL(former.api).port) : 0;
  if (formerPort === 0) return await server.listen({ host, port });
  return await server.listen({ host, port: formerPort }).catch(() => server.listen({ host, port }));
}
