import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Issued {
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority of its own, made by openssl, with what it signs in a directory of its own. */
export class Authority {
  readonly directory = mkdtempSync(join(tmpdir(), 'lastgood-ca-'));
  readonly caFile = join(this.directory, 'ca.pem');

  constructor(name: string) {
    this.openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${name}`, '-keyout', 'ca.key', '-out', 'ca.pem'],
    );
  }

  /** `names` as subject alternative names, e.g. `IP:127.0.0.1,DNS:model.internal`. */
  issue(name: string, names: string): Issued {
    const [key, request, cert, extensions] = ['key', 'csr', 'pem', 'ext'].map((kind) => `${name}.${kind}`) as [
      string,
      string,
      string,
      string,
    ];
    writeFileSync(join(this.directory, extensions), `subjectAltName=${names}\n`);
    this.openssl(
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`],
      ...['-keyout', key, '-out', request],
    );
    this.openssl(
      ...['x509', '-req', '-in', request, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'],
      ...['-extfile', extensions, '-out', cert],
    );
    return { certFile: join(this.directory, cert), keyFile: join(this.directory, key) };
  }

  private openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.directory, stdio: 'pipe' });
  }
}

/** Puts another certificate where the files of one are. */
export function replaceBy(target: Issued, source: Issued): void {
  copyFileSync(source.keyFile, target.keyFile);
  copyFileSync(source.certFile, target.certFile);
}

/** What is in the files, as Node's TLS takes it. */
export function pemOf({ certFile, keyFile }: Issued): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
}
