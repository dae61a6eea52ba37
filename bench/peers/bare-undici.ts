import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool, type Dispatcher } from 'undici';

/**
 * The bare proxy that the gateway is compared with: `node:http` and undici's `Pool.dispatch`, streaming both ways with
 * back-pressure, abort upstream when the client goes, the gateway's keep-alive times and pool size; nothing else.
 * `node bare-undici.js UPSTREAM` prints `{"port":N}`.
 */
const [upstream = 'http://127.0.0.1:1'] = process.argv.slice(2);
const pool = new Pool(upstream, {
  connections: 256,
  pipelining: 1,
  keepAliveTimeout: 4_000,
  keepAliveMaxTimeout: 4_000,
  headersTimeout: 0,
  bodyTimeout: 300_000,
  connect: { timeout: 2_000 },
});

const HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'expect',
]);

const server = createServer({ keepAlive: true, noDelay: true }, (req, res) => {
  const headers: string[] = [];
  for (const name in req.headers) {
    const value = req.headers[name];
    if (HOP.has(name) || value === undefined) continue;
    if (typeof value === 'string') headers.push(name, value);
    else for (const each of value) headers.push(name, each);
  }
  let controller: Dispatcher.DispatchController | undefined;
  let over = false;
  res.on('close', () => {
    if (!over) controller?.abort(new Error('the client went away'));
  });
  const hasBody = req.headers['content-length'] !== undefined || req.headers['transfer-encoding'] !== undefined;
  pool.dispatch(
    { path: req.url as string, method: req.method as string, headers, body: hasBody ? req : null },
    {
      onRequestStart(started): void {
        controller = started;
      },
      onResponseStart(_, status, answer): void {
        if (status < 200) return;
        const passed: string[] = [];
        for (const name in answer) {
          const value = answer[name];
          if (name === 'connection' || name === 'keep-alive' || name === 'transfer-encoding' || value === undefined)
            continue;
          if (typeof value === 'string') passed.push(name, value);
          else for (const each of value) passed.push(name, each);
        }
        res.writeHead(status, passed);
      },
      onResponseData(current, chunk): void {
        if (res.write(chunk)) return;
        current.pause();
        res.once('drain', () => current.resume());
      },
      onResponseEnd(): void {
        over = true;
        res.end();
      },
      onResponseError(): void {
        over = true;
        if (res.headersSent) res.destroy();
        else res.writeHead(502).end();
      },
    },
  );
});
server.keepAliveTimeout = 75_000;
server.headersTimeout = 60_000;
server.requestTimeout = 0;
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
});
