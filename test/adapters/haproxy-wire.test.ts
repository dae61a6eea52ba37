import { createServer as createHttp, type Server } from 'node:http';
import { connect as connectHttp2, createSecureServer, createServer, type ClientHttp2Session } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { readFileSync, statSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { certificateFile } from '../../adapters/traffic/haproxy/wire';
import type { Backend } from '../../domain/route';
import { Authority, pemOf } from '../support/certificates';
import { route } from '../support/gateway-process';
import { describeHaproxy, HaproxyProcess } from '../support/haproxy-process';
import { removeTemporary } from '../support/temporary';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(removeTemporary);

async function started(part: Parameters<typeof HaproxyProcess.start>[0]): Promise<HaproxyProcess> {
  const haproxy = await HaproxyProcess.start(part);
  closers.push(() => haproxy.stop());
  return haproxy;
}

async function listening(server: Server | ReturnType<typeof createServer>, scheme: string): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => void server.close());
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const backend = (address: string, version = '1'): Backend => {
  return { address, instance: `mail@${version}#1`, digest: 'sha256:x' };
};

function session(address: string, ca?: string): ClientHttp2Session {
  const client = connectHttp2(address, ca === undefined ? {} : { ca, servername: 'mail.example' });
  client.on('error', () => undefined);
  closers.push(() => client.destroy());
  return client;
}

interface Got {
  readonly headers: Record<string, unknown>;
  readonly body: Buffer;
  readonly trailers: Record<string, unknown>;
}

function call(client: ClientHttp2Session, path: string, body: Buffer, more: Record<string, string> = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const stream = client.request({ ':method': 'POST', ':path': path, ...more });
    let [headers, trailers]: Record<string, unknown>[] = [{}, {}];
    const parts: Buffer[] = [];
    stream.on('response', (got) => (headers = got));
    stream.on('trailers', (got) => (trailers = got));
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('error', reject);
    stream.on('end', () => resolve({ headers: headers ?? {}, body: Buffer.concat(parts), trailers: trailers ?? {} }));
    client.on('error', reject);
    stream.end(body);
  });
}

/** One message in the framing of gRPC: no compression, length, content. */
function message(text: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(Buffer.byteLength(text), 1);
  return Buffer.concat([head, Buffer.from(text)]);
}

async function grpcServer(version: string): Promise<string> {
  const server = createServer((req, res) => {
    const parts: Buffer[] = [];
    req.on('data', (part: Buffer) => parts.push(part));
    req.on('end', () => {
      const fails = req.url === '/mail.Model/Fail';
      res.writeHead(200, { 'content-type': 'application/grpc', trailer: 'grpc-status, grpc-message' });
      res.addTrailers({ 'grpc-status': fails ? '3' : '0', 'grpc-message': `${version} ${String(req.headers.te)}` });
      res.end(Buffer.concat(fails ? [] : [message(version), ...parts]));
    });
  });
  return await listening(server, 'http');
}

describeHaproxy('TLS, HTTP/2, gRPC and WebSocket through HAProxy')('what HAProxy speaks', () => {
  it('gRPC, both ways by HTTP/2: messages and trailers pass, also those of a failure, and a swap is one', async () => {
    const haproxy = await started({ protocols: ['grpc'], sessionHeader: null });
    const backends = { '1': [backend(await grpcServer('1'))], '2': [backend(await grpcServer('2'), '2')] };
    await haproxy.router().apply(route(1, '1', backends));
    const client = session(haproxy.address);
    const grpc = { 'content-type': 'application/grpc', te: 'trailers' };
    const asked = Buffer.concat([message('a'), message('b'.repeat(40_000))]);
    const first = await call(client, '/mail.Model/Infer', asked, grpc);
    expect(first.headers).toMatchObject({ ':status': 200, 'x-lastgood-version': '1' });
    expect(first.body.equals(Buffer.concat([message('1'), asked]))).toBe(true);
    expect(first.trailers).toMatchObject({ 'grpc-status': '0', 'grpc-message': '1 trailers' });
    await haproxy.router().apply(route(2, '2', backends));
    const [second, failed] = await Promise.all([
      call(client, '/mail.Model/Infer', message('c'), grpc),
      call(client, '/mail.Model/Fail', message('c'), grpc),
    ]);
    expect(second.trailers).toMatchObject({ 'grpc-status': '0', 'grpc-message': '2 trailers' });
    expect(failed.trailers).toMatchObject({ 'grpc-status': '3' });
  });

  it('TLS on both sides: HTTP/2 and HTTP/1.1 of clients, servers of the one authority only, also after a restart', async () => {
    const [authority, stranger] = [new Authority('ours'), new Authority('other')];
    const tls = { ...authority.issue('mail', 'DNS:mail.example'), clientCaFile: null };
    const serverTls = { caFile: authority.caFile, serverName: 'model.internal' };
    const haproxy = await started({ protocols: ['http-json', 'http2'], tls, serverTls });
    expect(statSync(certificateFile(haproxy.directory, 'mail')).mode & 0o007).toBe(0);
    const serve = async (by: Authority, name: string): Promise<string> => {
      const server = createSecureServer({ ...pemOf(by.issue(name, `DNS:${name}`)), allowHTTP1: true }, (req, res) => {
        res.end(`${req.httpVersion} ${String(req.headers.authorization)}`);
      });
      return await listening(server as unknown as Server, 'https');
    };
    const good = { '1': [backend(await serve(authority, 'model.internal'))] };
    const router = haproxy.router();
    expect(await router.entrance('mail')).toMatchObject({ address: haproxy.address.replace('http:', 'https:') });
    const plain = { '1': [backend((good['1'][0]?.address ?? '').replace('https:', 'http:'))] };
    expect(await router.apply(route(1, '1', plain))).toMatchObject({
      why: 'invalid',
      detail: expect.stringMatching(/expected https:\/\/: HAProxy's configuration has TLS to the servers/) as string,
    });
    await router.apply(route(1, '1', good));
    const https = haproxy.address.replace('http:', 'https:');
    const ask = async (): Promise<string> => {
      const { headers, body } = await call(
        session(https, readFileSync(authority.caFile, 'utf8')),
        '/x',
        Buffer.from('{}'),
        {
          authorization: 'Bearer of-the-client',
        },
      );
      return `${String(headers[':status'])} ${body.toString()}`;
    };
    expect(await ask()).toBe('200 1.1 Bearer of-the-client');
    await haproxy.kill();
    await haproxy.run();
    expect(await ask()).toBe('200 1.1 Bearer of-the-client');
    const alpn = await new Promise((resolve) => {
      const { listen } = haproxy.service;
      const socket = connectTls({
        ...listen,
        ca: readFileSync(authority.caFile),
        servername: 'mail.example',
        ALPNProtocols: ['http/1.1'],
      });
      socket.on('secureConnect', () => resolve(socket.end().alpnProtocol));
    });
    expect(alpn).toBe('http/1.1');
    for (const [epoch, bad] of [
      [2, await serve(stranger, 'model.internal')],
      [3, await serve(authority, 'else.internal')],
    ] as const) {
      await router.apply(route(epoch, '1', { '1': [backend(bad)] }));
      expect(await ask()).toMatch(/^503 /);
    }
  });

  it('asks clients for a certificate where it is told which authority they have', async () => {
    const authority = new Authority('ours');
    const tls = { ...authority.issue('mail', 'DNS:mail.example'), clientCaFile: authority.caFile };
    const haproxy = await started({ tls });
    const status = (certificate: object): Promise<string> =>
      new Promise((resolve) => {
        const { listen } = haproxy.service;
        const socket = connectTls({
          ...listen,
          ca: readFileSync(authority.caFile),
          servername: 'mail.example',
          ...certificate,
        });
        socket.on('data', (part: Buffer) => resolve(part.toString().slice(0, 12)));
        socket.on('error', (fault: NodeJS.ErrnoException) => resolve(String(fault.code)));
        socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
      });
    expect(await status({})).toMatch(/CERTIFICATE_REQUIRED|ECONNRESET/);
    // No route yet: it came in.
    expect(await status(pemOf(authority.issue('client', 'DNS:client')))).toBe('HTTP/1.1 503');
  });

  it('a WebSocket, and HTTP/2 without TLS, only where they are declared', async () => {
    const server = createHttp((_, res) => res.end('plain'));
    server.on('upgrade', (_, socket) => {
      socket.write(
        // The answer to the key below (RFC 6455, 1.3): HAProxy checks it.
        'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
      );
      socket.on('data', (part: Buffer) => socket.write(`back ${part.toString()}`));
      socket.on('error', () => undefined);
    });
    const address = await listening(server, 'http');
    for (const protocols of [['http-json', 'websocket', 'http2'], ['http-json']] as const) {
      const haproxy = await started({ protocols });
      await haproxy.router().apply(route(1, '1', { '1': [backend(address)] }));
      const said = await new Promise<string>((resolve) => {
        const socket = connect(haproxy.service.listen);
        closers.push(() => socket.destroy());
        let all = '';
        socket.on('data', (part: Buffer) => {
          all += part.toString();
          if (/^HTTP\/1.1 101[^]*\r\n\r\n$/.test(all)) socket.write('ping');
          if (/back ping|^HTTP\/1.1 [45]/.test(all)) resolve(all);
        });
        socket.write(
          'GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
        );
      });
      const http2 = call(session(haproxy.address), '/x', Buffer.from('{}')).then(
        ({ headers, body }) => `${String(headers[':status'])} ${body.toString()}`,
        () => 'refused',
      );
      if (protocols.length === 1) {
        expect(said).toMatch(/^HTTP\/1.1 501[^]*websocket-not-declared/);
        expect(await http2).toBe('refused');
      } else {
        expect(said).toMatch(/x-lastgood-version: 1\r\n[^]*back ping$/);
        expect(await http2).toBe('200 plain');
      }
    }
  });
});
