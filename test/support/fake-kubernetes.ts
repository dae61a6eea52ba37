import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';

type Shape = { readonly [key: string]: Shape | 'any' };
type StoredObject = Record<string, unknown> & { metadata: Record<string, unknown> & { name: string } };

const objectShape: Shape = {
  apiVersion: 'any',
  kind: 'any',
  metadata: { name: 'any', namespace: 'any', labels: 'any', annotations: 'any' },
  status: 'any',
};

/** The fields that each kind has, as far as tests use them; a field that is not here is refused as the real server does. */
const shapes: Readonly<Record<string, Shape>> = {
  podchaos: meshShape({ action: 'any', gracePeriod: 'any', containerNames: 'any' }),
  networkchaos: meshShape({
    action: 'any',
    delay: { latency: 'any', jitter: 'any', correlation: 'any' },
    direction: 'any',
  }),
  chaosengines: {
    ...objectShape,
    spec: {
      engineState: 'any',
      appinfo: { appns: 'any', applabel: 'any', appkind: 'any' },
      chaosServiceAccount: 'any',
      experiments: 'any',
      jobCleanUpPolicy: 'any',
    },
  },
  chaosresults: { ...objectShape, spec: 'any' },
};

const groups: Readonly<Record<string, string>> = {
  podchaos: 'chaos-mesh.org',
  networkchaos: 'chaos-mesh.org',
  chaosengines: 'litmuschaos.io',
  chaosresults: 'litmuschaos.io',
};

function meshShape(spec: Shape): Shape {
  const selector: Shape = { namespaces: 'any', labelSelectors: 'any', pods: 'any' };
  return { ...objectShape, spec: { mode: 'any', value: 'any', duration: 'any', selector, ...spec } };
}

/**
 * An API server of Kubernetes that is stricter than helpful: a request without strict validation, with a wrong content type
 * or to an unknown path is an error that fails the test. The statuses are written by the test, as a controller would.
 */
export class FakeKubernetes {
  readonly requests: { readonly method: string; readonly url: string; readonly body: unknown }[] = [];
  readonly faults: string[] = [];
  private readonly objects = new Map<string, StoredObject>();
  private readonly server = createServer((request, response) => void this.take(request, response));
  /** New objects of these kinds carry this finalizer. */
  finalizers: Readonly<Record<string, string>> = { podchaos: 'chaos-mesh/records', networkchaos: 'chaos-mesh/records' };

  static async start(): Promise<FakeKubernetes> {
    const fake = new FakeKubernetes();
    fake.server.listen(0, '127.0.0.1');
    await once(fake.server, 'listening');
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  kubeconfig(directory: string): string {
    const file = join(directory, 'kubeconfig.json');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'production',
      clusters: [
        { name: 'test', cluster: { server: this.url, 'insecure-skip-tls-verify': true } },
        { name: 'production', cluster: { server: 'http://127.0.0.1:9', 'insecure-skip-tls-verify': true } },
      ],
      users: [{ name: 'tester', user: { token: 'test-token' } }],
      contexts: [
        { name: 'test', context: { cluster: 'test', user: 'tester' } },
        { name: 'production', context: { cluster: 'production', user: 'tester' } },
      ],
    };
    writeFileSync(file, JSON.stringify(config));
    return file;
  }

  /** The one object of a kind; null while there is none. */
  only(plural: string): StoredObject | null {
    const found = [...this.objects].filter(([key]) => key.startsWith(`${plural}/`)).map(([, object]) => object);
    if (found.length > 1) throw new Error(`${found.length} ${plural}`);
    return found[0] ?? null;
  }

  /** As a controller does. */
  setStatus(plural: string, status: object): void {
    const object = this.only(plural);
    if (object === null) throw new Error(`there are no ${plural}`);
    object['status'] = status;
  }

  put(plural: string, namespace: string, object: { metadata: { name: string } } & Record<string, unknown>): void {
    this.objects.set(`${plural}/${namespace}/${object.metadata.name}`, object as StoredObject);
  }

  /** The controller has undone everything: what waits for it is gone. */
  release(plural: string): void {
    for (const [key, object] of this.objects)
      if (key.startsWith(`${plural}/`) && object.metadata['deletionTimestamp'] !== undefined) this.objects.delete(key);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const piece of request) text += String(piece);
    const { method = '' } = request;
    const url = new URL(request.url ?? '', this.url);
    const body: unknown = text === '' ? null : JSON.parse(text);
    this.requests.push({ method, url: request.url ?? '', body });
    const [code, answer] = this.answer(method, url, request.headers, body);
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  private answer(method: string, url: URL, headers: IncomingMessage['headers'], body: unknown): [number, object] {
    const unexpected = (why: string): [number, object] => {
      this.faults.push(`${method} ${url.pathname}: ${why}`);
      return status(500, 'InternalError', why);
    };
    if (headers.authorization !== 'Bearer test-token') return unexpected('no token');
    const match = /^\/apis\/([^/]+)\/v1alpha1\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?$/.exec(url.pathname);
    if (!match) return unexpected('an unknown path');
    const [, group = '', namespace = '', plural = '', name] = match;
    const shape = shapes[plural];
    if (shape === undefined || groups[plural] !== group) return status(404, 'NotFound', `no ${plural} in ${group}`);
    const mutates = method === 'POST' || method === 'PATCH';
    if (mutates && url.searchParams.get('fieldValidation') !== 'Strict') return unexpected('not validated strictly');
    if (method === 'POST' && name === undefined) return this.create(shape, plural, namespace, body as StoredObject);
    const key = `${plural}/${namespace}/${name ?? ''}`;
    const object = this.objects.get(key);
    if (object === undefined) return status(404, 'NotFound', `${plural} "${name ?? ''}" not found`);
    switch (method) {
      case 'GET':
        return [200, object];
      case 'PATCH': {
        if (headers['content-type'] !== 'application/merge-patch+json')
          return unexpected(`content type ${headers['content-type'] ?? 'none'}`);
        merge(object, body as Record<string, unknown>);
        return [200, object];
      }
      case 'DELETE':
        if (((object.metadata['finalizers'] ?? []) as string[]).length === 0) this.objects.delete(key);
        else object.metadata['deletionTimestamp'] ??= new Date().toISOString();
        return [200, object];
      default:
        return unexpected('an unknown method');
    }
  }

  private create(shape: Shape, plural: string, namespace: string, body: StoredObject): [number, object] {
    const stray = strayField(shape, body, '');
    if (stray !== null) return status(400, 'BadRequest', `strict decoding error: unknown field "${stray}"`);
    const key = `${plural}/${namespace}/${body.metadata.name}`;
    if (this.objects.has(key)) return status(409, 'AlreadyExists', `${plural} "${body.metadata.name}" already exists`);
    const finalizer = this.finalizers[plural];
    const finalizers = finalizer === undefined ? {} : { finalizers: [finalizer] };
    const object = { ...body, metadata: { ...body.metadata, uid: randomUUID(), ...finalizers } };
    this.objects.set(key, object);
    return [201, object];
  }
}

function status(code: number, reason: string, message: string): [number, object] {
  return [code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, message, code }];
}

function strayField(shape: Shape, value: object, path: string): string | null {
  for (const [key, inner] of Object.entries(value)) {
    const allowed = shape[key];
    const here = path === '' ? key : `${path}.${key}`;
    if (allowed === undefined) return here;
    if (allowed === 'any' || typeof inner !== 'object' || inner === null) continue;
    const stray = strayField(allowed, inner as object, here);
    if (stray !== null) return stray;
  }
  return null;
}

function merge(into: Record<string, unknown>, patch: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(patch)) {
    const old = into[key];
    if (value === null) delete into[key];
    else if (typeof value === 'object' && typeof old === 'object' && old !== null)
      merge(old as Record<string, unknown>, value as Record<string, unknown>);
    else into[key] = value;
  }
}
