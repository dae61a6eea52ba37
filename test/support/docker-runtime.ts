import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { DockerRuntimeOptions } from '../../adapters/serving/docker/docker-runtime';
import type { DockerTemplate } from '../../adapters/serving/docker/template';
import { openInferenceEngine } from '../../adapters/serving/open-inference';
import type { PrivateEngine } from './docker-engine';
import { temporaryDirectory } from './temporary';

const openInference = openInferenceEngine();

/** The fake model on the host's own network, on a root that it cannot write. */
export function dockerTemplate(image: string, change: Partial<DockerTemplate> = {}): DockerTemplate {
  return {
    image: { reference: image, archive: null },
    images: {},
    entrypoint: null,
    command: ['--digest', '{digest}', '--port', '{port}'],
    env: {},
    user: null,
    network: 'host',
    port: null,
    artifactPath: '/artifact',
    memoryLimitBytes: null,
    sharedMemoryBytes: null,
    cpus: null,
    gpus: null,
    capabilities: [],
    readOnlyRoot: true,
    tmpfs: [],
    init: true,
    registryAuthFile: null,
    ...change,
  };
}

/** A runtime with a directory of its own. */
export function dockerOptions(
  engine: PrivateEngine,
  template: DockerTemplate,
  more: Partial<DockerRuntimeOptions> = {},
): DockerRuntimeOptions {
  return {
    connection: { socket: engine.socket },
    directory: temporaryDirectory('docker-runtime'),
    template,
    identify: async (address) => (await openInference.identity(address, 'mail', { timeoutMs: 2_000 })).digest,
    ...more,
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

interface TlsFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** Certificates of a server at 127.0.0.1 and of a client it knows, by one authority; and of a client by another one. */
export function certificates(): { server: TlsFiles; client: TlsFiles; stranger: TlsFiles } {
  const directory = temporaryDirectory('certificates');
  const run = (...args: string[]): void => void execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  const at = (name: string): string => join(directory, name);
  writeFileSync(at('names'), 'subjectAltName=IP:127.0.0.1\n');
  const authority = (name: string): void =>
    run(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      ...['-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.crt`],
    );
  const signed = (name: string, by: string): void => {
    run(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      ...['-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`],
    );
    run(
      'x509',
      '-req',
      '-days',
      '2',
      '-in',
      `${name}.csr`,
      ...['-CA', `${by}.crt`, '-CAkey', `${by}.key`, '-CAcreateserial', '-extfile', 'names', '-out', `${name}.crt`],
    );
  };
  authority('authority');
  authority('other');
  signed('server', 'authority');
  signed('client', 'authority');
  signed('stranger', 'other');
  const files = (name: string): TlsFiles => ({
    caFile: at('authority.crt'),
    certFile: at(`${name}.crt`),
    keyFile: at(`${name}.key`),
  });
  return { server: files('server'), client: files('client'), stranger: files('stranger') };
}
