import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority of a test, by the openssl command; what it signs lasts a day. */
export class Authority {
  private constructor(
    private readonly directory: string,
    private readonly name: string,
    readonly ca: Certificate,
  ) {}

  static create(directory: string, name = 'ca'): Authority {
    const [certFile, keyFile] = [join(directory, `${name}.crt`), join(directory, `${name}.key`)];
    openssl(['req', '-x509', ...fresh(keyFile), '-days', '1', '-subj', `/CN=${name}`, '-out', certFile]);
    return new Authority(directory, name, read(certFile, keyFile));
  }

  /** @param names `DNS:…` and `IP:…` */
  sign(name: string, names: readonly string[]): Certificate {
    const of = (ending: string): string => join(this.directory, `${this.name}-${name}.${ending}`);
    writeFileSync(of('ext'), `subjectAltName=${names.join(',')}\n`);
    openssl(['req', ...fresh(of('key')), '-subj', `/CN=${name}`, '-out', of('csr')]);
    const by = ['-CA', this.ca.certFile, '-CAkey', this.ca.keyFile, '-CAcreateserial'];
    openssl(['x509', '-req', '-in', of('csr'), ...by, '-days', '1', '-extfile', of('ext'), '-out', of('crt')]);
    return read(of('crt'), of('key'));
  }
}

function fresh(keyFile: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
}

function read(certFile: string, keyFile: string): Certificate {
  return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}
