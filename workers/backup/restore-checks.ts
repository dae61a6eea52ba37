import { existsSync, readdirSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import { isGrpcServiceError } from '@temporalio/client';
import { ledgerSchemaVersion } from '../../adapters/ledger/schema';
import { gatewaySchemaVersion } from '../../gateway/storage-schema';
import { serviceWorkflowId } from '../../workflows/contract/ids';
import type { Configuration } from '../configuration/configuration';
import { dataDirectorySchema } from '../data-directory';
import { supervisorState } from '../embedded/lock';
import { runPaths } from '../embedded/paths';
import type { Environment } from '../environment';
import { temporalAddress } from '../temporal-connection';
import { BackupRefused, type BackupManifest } from './manifest';

const askMs = 10_000;

/** The target is empty, and nothing of an installation runs on it. Rejects with {@link BackupRefused}. */
export async function refuseUsedDirectory(dataDir: string): Promise<void> {
  const paths = runPaths(dataDir);
  if ((await supervisorState(paths.lockFile)) === 'held')
    throw new BackupRefused(
      `${dataDir} is in use by a running \`lastgood up\`: stop it, and restore into an empty directory`,
    );
  for (const [what, socket] of [
    ['controller', paths.apiSocket],
    ['gateway', paths.gatewayControl.socket],
  ] as const)
    if (await answers(socket))
      throw new BackupRefused(
        `a ${what} still runs on ${dataDir} (${socket} answers): stop it, and restore into an empty directory`,
      );
  if (!existsSync(dataDir)) return;
  if (!statSync(dataDir).isDirectory()) throw new BackupRefused(`${dataDir} is a file, expected an empty directory`);
  const names = readdirSync(dataDir);
  if (names.length > 0)
    throw new BackupRefused(
      `${dataDir} is not empty (it has ${names.slice(0, 3).join(', ')}): a restore replaces nothing; name an empty directory, or move this one away`,
    );
}

export function refuseUnknownSchemas(file: string, { schemas, release }: BackupManifest): void {
  const known = { ledger: ledgerSchemaVersion, gateway: gatewaySchemaVersion, dataDirectory: dataDirectorySchema };
  for (const name of ['ledger', 'gateway', 'dataDirectory'] as const)
    if (schemas[name] > known[name])
      throw new BackupRefused(
        `${file}: its ${name} has schema version ${schemas[name]}, written by lastgood ${release}; this one knows up to ${known[name]}: use lastgood ${release}`,
      );
}

/** No workflow of a service may run: two deciders would share one router. Lastgood's own dev server is as empty as its directory. */
export async function refuseUsedTemporal(
  configuration: Configuration,
  environment: Environment,
  services: readonly string[],
): Promise<void> {
  const given = environment.temporalAddress ?? configuration.temporal.address;
  if (given === null) return;
  const { address, tls, namespace } = temporalAddress(configuration, given);
  const restoring = 'nothing was restored';
  const connection = await Connection.connect({ address, tls, connectTimeout: askMs }).catch((error: unknown) => {
    throw new BackupRefused(
      `Temporal at ${address} does not answer (${error instanceof Error ? error.message : String(error)}), so it is not known whether it is empty: start it; ${restoring}`,
    );
  });
  try {
    const client = new Client({ connection, namespace });
    for (const service of services) {
      const status = await client
        .withDeadline(Date.now() + askMs, () => client.workflow.getHandle(serviceWorkflowId(service)).describe())
        .then(
          (found) => found.status.name,
          (error: unknown) => {
            if (error instanceof WorkflowNotFoundError || isNoNamespace(error)) return null;
            throw error;
          },
        );
      if (status === 'RUNNING')
        throw new BackupRefused(
          `Temporal at ${address} runs ${serviceWorkflowId(service)} in the namespace ${namespace}: restore into an empty one; ${restoring}`,
        );
    }
  } finally {
    await connection.close();
  }
}

function isNoNamespace(error: unknown): boolean {
  return isGrpcServiceError(error) && /namespace/i.test(error.details ?? '') && /not found/i.test(error.details ?? '');
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}
