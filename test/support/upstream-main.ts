import { appendFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/**
 * A small model server for tests: `node upstream-main.js VERSION LOG`. It says which version it is, logs the id of each
 * request that it answers (one line, written before the answer), and changes its behaviour by `POST /behave?mode=…`.
 */
const [version = 'unknown', logFile] = process.argv.slice(2);
let mode: 'ok' | 'error' | 'hang' | 'reset' | 'noclass' = 'ok';
let delayMs = 0;

const server = createServer((req, res) => {
  const url = new URL(req.url ?? '/', 'http://upstream');
  if (url.pathname === '/behave') {
    mode = (url.searchParams.get('mode') ?? mode) as typeof mode;
    delayMs = Number(url.searchParams.get('delayMs') ?? delayMs);
    res.end('ok');
    return;
  }
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    if (delayMs > 0) setTimeout(() => answer(req, res, url, Buffer.concat(chunks)), delayMs);
    else answer(req, res, url, Buffer.concat(chunks));
  });
});

function answer(req: IncomingMessage, res: ServerResponse, url: URL, body: Buffer): void {
  if (mode === 'hang') return;
  if (url.pathname === '/lethal') process.kill(process.pid, 'SIGKILL');
  if (mode === 'reset' || url.pathname === '/poison') {
    req.socket.resetAndDestroy();
    return;
  }
  const id = String(req.headers['x-request-id']);
  if (logFile !== undefined) appendFileSync(logFile, `${id} ${version}\n`);
  if (url.pathname === '/stream') return stream(res, url);
  if (url.pathname === '/echo') {
    res.writeHead(200, { 'content-type': 'application/octet-stream' });
    res.end(body);
    return;
  }
  const status = mode === 'error' ? 500 : Number(url.searchParams.get('status') ?? 200);
  const label = url.searchParams.get('label') ?? 'spam';
  const answered =
    mode === 'noclass'
      ? { oops: true }
      : {
          outputs: [
            { name: 'label', data: [label] },
            { name: 'score', data: [0.75] },
          ],
        };
  const text = JSON.stringify({ model_version: version, headers: req.headers, bytes: body.length, ...answered });
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  res.end(text);
}

/** `n` events, one each `everyMs`, then a last one that says done. */
function stream(res: ServerResponse, url: URL): void {
  const n = Number(url.searchParams.get('n') ?? 20);
  const everyMs = Number(url.searchParams.get('everyMs') ?? 20);
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  let sent = 0;
  const timer = setInterval(() => {
    if (sent < n) res.write(`data: ${version} ${sent}\n\n`);
    else {
      clearInterval(timer);
      res.end('data: [DONE]\n\n');
    }
    sent += 1;
  }, everyMs);
  res.on('close', () => {
    clearInterval(timer);
    if (logFile !== undefined) appendFileSync(logFile, `closed ${sent}\n`);
  });
}

server.keepAliveTimeout = 75_000;
server.listen(Number(process.argv[4] ?? 0), '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${JSON.stringify({ port: typeof address === 'object' ? address?.port : null })}\n`);
});
process.on('SIGTERM', () => process.exit(0));
