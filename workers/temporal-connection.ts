import { readFileSync } from 'node:fs';
import type { TLSConfig } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import type { Configuration } from './configuration/configuration';
import { encryptedPayloads } from './encrypted-payloads';

/** Where the workers and clients of this installation reach Temporal. */
export interface TemporalAddress {
  readonly address: string;
  readonly namespace: string;
  readonly tls: TLSConfig | false;
  /** How payloads are written to Temporal; the same in every client and worker of the installation. */
  readonly dataConverter: DataConverter;
}

/** `address` wins over the file: it is that of the embedded server. */
export function temporalAddress(configuration: Configuration, address: string | null): TemporalAddress {
  const { temporal } = configuration;
  const chosen = address ?? temporal.address;
  if (chosen === null) {
    throw new Error(
      `${configuration.file}: temporal.address is missing: a worker by itself needs a running server (\`lastgood up\` starts one)`,
    );
  }
  const codec = encryptedPayloads(temporal.encryptionKeys);
  const dataConverter = codec === null ? {} : { payloadCodecs: [codec] };
  return { address: chosen, namespace: temporal.namespace, tls: tlsOf(temporal.tls), dataConverter };
}

function tlsOf(tls: Configuration['temporal']['tls']): TLSConfig | false {
  if (tls === null) return false;
  const { serverName, caFile, certFile, keyFile } = tls;
  return {
    ...(serverName === null ? {} : { serverNameOverride: serverName }),
    ...(caFile === null ? {} : { serverRootCACertificate: readFileSync(caFile) }),
    ...(certFile === null || keyFile === null
      ? {}
      : { clientCertPair: { crt: readFileSync(certFile), key: readFileSync(keyFile) } }),
  };
}
