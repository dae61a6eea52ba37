import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { request } from 'node:https';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { packageDirectory } from '../../../workers/program';
import { until } from '../../support/poll';
import { temporaryDirectory } from '../../support/temporary';

/** As in scripts/optional/kubernetes.sh. */
export const RELEASE = 'v0.37.2';

export interface Parts {
  readonly apiServer: string;
  readonly crds: string;
}

/** Null where they are not installed. */
export function kubernetesParts(): Parts | null {
  const place = join(packageDirectory(), '.cache', 'test-deps', `kubernetes-${RELEASE}`);
  const apiServer = join(place, 'apiextensions-apiserver');
  const crds = join(place, 'chaos-mesh-crds');
  const etcd = ['/usr/bin/etcd', '/usr/local/bin/etcd'].some((path) => existsSync(path));
  return etcd && existsSync(apiServer) && existsSync(crds)
    ? { apiServer, crds: readFileSync(crds, 'utf8').trim() }
    : null;
}

interface StoredObject {
  readonly metadata: { readonly deletionTimestamp?: string };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** etcd and the CRD server of Kubernetes on loopback, with an administrator's certificate. */
export class RealKubernetes {
  private constructor(
    readonly kubeconfig: string,
    private readonly directory: string,
    private readonly port: number,
    private readonly crds: string,
    private readonly children: readonly ChildProcess[],
  ) {}

  static async start({ apiServer, crds }: Parts): Promise<RealKubernetes> {
    const directory = temporaryDirectory('kubernetes');
    certificates(directory);
    const [etcdPort, peerPort, port] = await freePorts(3);
    const at = (name: string): string => join(directory, name);
    const run = (name: string, program: string, args: readonly string[]): ChildProcess => {
      const log = openSync(at(`${name}.log`), 'a');
      return spawn(program, args, { stdio: ['ignore', log, log], cwd: directory });
    };
    const etcdUrl = `http://127.0.0.1:${etcdPort}`;
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    const kubeconfig = at('kubeconfig.json');
    writeFileSync(kubeconfig, kubeconfigText(directory, port ?? 0));
    const etcd = run('etcd', 'etcd', [
      ...['--data-dir', at('etcd'), '--listen-client-urls', etcdUrl, '--advertise-client-urls', etcdUrl],
      ...[
        '--listen-peer-urls',
        peerUrl,
        '--initial-advertise-peer-urls',
        peerUrl,
        '--initial-cluster',
        `default=${peerUrl}`,
      ],
    ]);
    const server = run('apiserver', apiServer, [
      ...['--etcd-servers', etcdUrl, '--bind-address', '127.0.0.1', '--secure-port', String(port)],
      ...[
        '--tls-cert-file',
        at('server.crt'),
        '--tls-private-key-file',
        at('server.key'),
        '--client-ca-file',
        at('ca.crt'),
      ],
      ...['--authentication-skip-lookup', '--authentication-kubeconfig', kubeconfig],
      ...['--authorization-kubeconfig', kubeconfig, '--kubeconfig', kubeconfig, '--enable-priority-and-fairness=false'],
      '--disable-admission-plugins=NamespaceLifecycle,MutatingAdmissionWebhook,ValidatingAdmissionWebhook,MutatingAdmissionPolicy,ValidatingAdmissionPolicy',
    ]);
    const started = new RealKubernetes(kubeconfig, directory, port ?? 0, crds, [etcd, server]);
    try {
      await until(
        'the API server',
        async () => {
          if (server.exitCode !== null) throw new Error(readFileSync(at('apiserver.log'), 'utf8').slice(-2_000));
          const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
          return (await started.ask('GET', path).catch(() => ({ status: 0 }))).status === 200;
        },
        90_000,
      );
    } catch (error) {
      started.stop();
      throw error;
    }
    return started;
  }

  /** Installs one definition of Chaos Mesh, and waits until its objects are served. */
  async define(name: string): Promise<void> {
    const documents = parseAllDocuments(readFileSync(this.crds, 'utf8'));
    const definition = documents
      .map((document) => document.toJS() as { metadata?: { name?: string } } | null)
      .find((one) => one?.metadata?.name === name);
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const made = await this.ask('POST', path, definition);
    if (made.status !== 201) throw new Error(`${name}: ${made.status} ${JSON.stringify(made.body).slice(0, 500)}`);
    await until(
      `${name} to be served`,
      async () => {
        const found = (await this.get(`${path}/${name}`))?.status?.conditions ?? [];
        return found.some(({ type, status }) => type === 'Established' && status === 'True');
      },
      30_000,
    );
  }

  async get(path: string): Promise<StoredObject | null> {
    const { status, body } = await this.ask('GET', path);
    return status === 200 ? (body as StoredObject) : null;
  }

  async merge(path: string, patch: object): Promise<void> {
    const { status, body } = await this.ask('PATCH', path, patch);
    if (status !== 200) throw new Error(`PATCH ${path}: ${status} ${JSON.stringify(body).slice(0, 500)}`);
  }

  stop(): void {
    for (const child of this.children) child.kill('SIGKILL');
  }

  private ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const read = (name: string): Buffer => readFileSync(join(this.directory, name));
    return new Promise((resolve, reject) => {
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      const call = request(
        {
          ...{ host: '127.0.0.1', port: this.port, path, method, headers: { 'content-type': type } },
          ...{ ca: read('ca.crt'), cert: read('admin.crt'), key: read('admin.key'), timeout: 15_000 },
        },
        (response) => {
          let text = '';
          response.on('data', (piece: Buffer) => (text += piece.toString()));
          response.on('end', () => {
            resolve({ status: response.statusCode ?? 0, body: text.startsWith('{') ? JSON.parse(text) : text });
          });
        },
      );
      call.on('error', reject);
      call.on('timeout', () => call.destroy(new Error('no answer within 15 s')));
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

function certificates(directory: string): void {
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-subj',
    '/CN=test',
    '-days',
    '2',
  );
  const sign = (name: string, subject: string): void => {
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject);
    const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, ...signing);
  };
  writeFileSync(join(directory, 'names'), 'subjectAltName=IP:127.0.0.1\n');
  sign('server', '/CN=127.0.0.1');
  sign('admin', '/O=system:masters/CN=admin');
}

function kubeconfigText(directory: string, port: number): string {
  const cluster = { server: `https://127.0.0.1:${port}`, 'certificate-authority': join(directory, 'ca.crt') };
  const user = { 'client-certificate': join(directory, 'admin.crt'), 'client-key': join(directory, 'admin.key') };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'admin', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
  });
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((done) => server.listen(0, '127.0.0.1', () => done(server)));
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
