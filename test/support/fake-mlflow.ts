import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface FakeVersion {
  readonly files: Readonly<Record<string, Buffer | string>>;
  readonly aliases?: readonly string[];
  readonly status?: string;
  readonly tags: Record<string, string>;
  readonly createdAt: number;
}

/** True: it has answered, and nothing else does. */
export type Fault = (request: IncomingMessage, response: ServerResponse, url: URL) => boolean;

/**
 * As much of MLflow as is asked, with answers that the real one gives seldom or never: its faults are functions that go
 * first. What the real one says is proven with the real one.
 */
export class FakeMlflow {
  readonly versions = new Map<number, FakeVersion>();
  readonly calls: string[] = [];
  fault: Fault = () => false;

  private constructor(
    private readonly server: Server,
    private readonly scheme: 'http' | 'https',
  ) {}

  static async start(tls?: { readonly key: string; readonly cert: string }): Promise<FakeMlflow> {
    const server = tls ? createTlsServer(tls) : createServer();
    const fake = new FakeMlflow(server, tls ? 'https' : 'http');
    server.on('request', (request: IncomingMessage, response: ServerResponse) => fake.answer(request, response));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return fake;
  }

  get url(): string {
    return `${this.scheme}://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  add(number: number, files: FakeVersion['files'], more: Partial<FakeVersion> = {}): void {
    this.versions.set(number, { files, tags: {}, createdAt: 1_795_000_000_000 + number, ...more });
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((done) => void this.server.close(() => done()));
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.url);
    this.calls.push(`${request.method ?? ''} ${decodeURIComponent(url.pathname)}${decodeURIComponent(url.search)}`);
    if (this.fault(request, response, url)) return;
    const json = (value: unknown, status = 200): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    };
    const path = url.pathname.replace(/^\/api\/2\.0\/mlflow/, '');
    const version = this.versions.get(Number(url.searchParams.get('version')));
    if (path === '/registered-models/get')
      return json({
        registered_model: {
          name: url.searchParams.get('name'),
          aliases: [...this.versions].flatMap(([number, { aliases = [] }]) =>
            aliases.map((alias) => ({ alias, version: String(number) })),
          ),
        },
      });
    if (path === '/model-versions/search')
      return json({
        model_versions: [...this.versions].map(([number, { status = 'READY', tags, createdAt }]) => ({
          ...{ name: 'mail', version: String(number), status, source: `mlflow-artifacts:/0/${number}` },
          creation_timestamp: createdAt,
          tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
        })),
      });
    if (path === '/model-versions/get-download-uri' && version)
      return json({ artifact_uri: `mlflow-artifacts:/0/${url.searchParams.get('version') ?? ''}` });
    if (path === '/model-versions/set-tag') {
      void text(request).then((body) => {
        const { version: number, key, value } = JSON.parse(body) as { version: string; key: string; value: string };
        const { tags } = this.versions.get(Number(number)) as FakeVersion;
        tags[key] = value;
        json({});
      });
      return;
    }
    if (path === '-artifacts/artifacts') return json({ files: this.list(url.searchParams.get('path') ?? '') });
    const [, number, file] = /^-artifacts\/artifacts\/0\/(\d+)\/(.*)$/.exec(decodeURIComponent(path)) ?? [];
    const content = this.versions.get(Number(number))?.files[file ?? ''];
    if (content === undefined) return json({ error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'No such artifact' }, 404);
    sendFile(request, response, Buffer.from(content));
  }

  private list(at: string): unknown[] {
    const [, number, folder = ''] = /^0\/(\d+)(?:\/(.*))?$/.exec(at) ?? [];
    const prefix = folder === '' ? '' : `${folder}/`;
    const found = new Map<string, unknown>();
    for (const [path, content] of Object.entries(this.versions.get(Number(number))?.files ?? {})) {
      if (!path.startsWith(prefix)) continue;
      const [name = '', ...rest] = path.slice(prefix.length).split('/');
      const isFolder = rest.length > 0;
      found.set(name, {
        path: name,
        is_dir: isFolder,
        ...(isFolder ? {} : { file_size: Buffer.from(content).length }),
      });
    }
    return [...found.values()];
  }
}

/** With ranges, as MLflow sends a file. */
export function sendFile(request: IncomingMessage, response: ServerResponse, content: Buffer, etag = '"1"'): void {
  const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
  if (from === undefined || request.headers['if-range'] !== etag) {
    response.writeHead(200, { etag, 'content-length': content.length }).end(content);
    return;
  }
  const rest = content.subarray(Number(from));
  const range = `bytes ${from}-${content.length - 1}/${content.length}`;
  response.writeHead(206, { etag, 'content-length': rest.length, 'content-range': range }).end(rest);
}

async function text(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
