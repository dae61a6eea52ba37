import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { GatewayConfigError } from './errors';
import type { GatewayServiceConfig } from './protocol';

type ListenTls = NonNullable<GatewayServiceConfig['listenTls']>;

const LOOK_MS = 1_000;

/** What a listener needs of its files. Throws {@link GatewayConfigError} that names the file and what is wrong with it. */
export function readListenTls({ certFile, keyFile, clientCaFile }: ListenTls): SecureContextOptions & { cert: Buffer } {
  const cert = read('listenTls.certFile', certFile);
  const key = read('listenTls.keyFile', keyFile);
  const ca = clientCaFile === undefined ? undefined : readCertificates('listenTls.clientCaFile', clientCaFile);
  certificateIn('listenTls.certFile', certFile, cert);
  const options = { cert, key, ...(ca && { ca }) };
  try {
    createSecureContext(options);
  } catch (error) {
    const why = (error as Error).message;
    throw new GatewayConfigError(`listenTls: ${certFile} and ${keyFile} cannot be used together: ${why}`);
  }
  return options;
}

/** Certificates of those who may sign the others'. */
export function readCertificates(path: string, file: string): Buffer {
  const text = read(path, file);
  certificateIn(path, file, text);
  return text;
}

/** The end of the first certificate of a file, in milliseconds since 1970. */
export function endsAt(cert: Buffer): number {
  return Date.parse(new X509Certificate(cert).validTo);
}

/**
 * Calls `onChange` when one of the files is another one or has another content. By looking, not by events: a file that is
 * replaced through a link in its directory, as certificates often are, has no event of its own.
 */
export class FileWatch {
  private readonly timer: NodeJS.Timeout;
  private seen: string;

  constructor(
    private readonly files: readonly string[],
    private readonly onChange: () => void,
  ) {
    this.seen = this.look();
    this.timer = setInterval(() => {
      const now = this.look();
      if (now === this.seen) return;
      this.seen = now;
      this.onChange();
    }, LOOK_MS);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private look(): string {
    return this.files.map(signature).join('|');
  }
}

function signature(file: string): string {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(file);
    return `${ino}:${size}:${mtimeMs}:${ctimeMs}`;
  } catch {
    return 'missing';
  }
}

function read(path: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new GatewayConfigError(`${path}: ${(error as Error).message}`);
  }
}

function certificateIn(path: string, file: string, text: Buffer): void {
  try {
    new X509Certificate(text);
  } catch (error) {
    throw new GatewayConfigError(`${path}: ${file} is no certificate in PEM: ${(error as Error).message}`);
  }
}
