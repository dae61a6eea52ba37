import { endsAt, readListenTls } from '../gateway/tls-files';
import type { ServiceConfiguration } from './configuration/configuration';

/**
 * The end of the certificate that clients of the service get, in milliseconds since 1970; null where they come in without
 * TLS. Throws one sentence where the files cannot be used.
 */
export function entranceCertificateEnd({ listenTls }: ServiceConfiguration): number | null {
  if (listenTls === null) return null;
  const { certFile, keyFile, clientCaFile } = listenTls;
  return endsAt(readListenTls({ certFile, keyFile, ...(clientCaFile === null ? {} : { clientCaFile }) }).cert);
}
