import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * One version for the benchmarks of traffic: `node model-server.js VERSION READY_AFTER_MS`. Every answer and every event
 * of a stream says which version it is of, so that no router has to be believed. `GET /ready` is 503 until it is ready.
 */
const [version = '', readyAfterMs = '0'] = process.argv.slice(2);
const readyAt = performance.now() + Number(readyAfterMs);
const ANSWER = Buffer.from(
  JSON.stringify({
    model_name: 'mail',
    model_version: version,
    outputs: [{ name: 'label', shape: [1], datatype: 'BYTES', data: ['discussion'] }],
  }),
);
const EVENTS = 30;
const EVENT_MS = 25;

const server = createServer((req, res) => {
  if (req.url === '/ready') {
    const ready = performance.now() >= readyAt;
    res.writeHead(ready ? 200 : 503, { 'content-length': '0' });
    res.end();
    return;
  }
  req.resume();
  req.on('end', () => {
    if (req.url !== '/stream') {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': String(ANSWER.length) });
      res.end(ANSWER);
      return;
    }
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    let sent = 0;
    const timer = setInterval(() => {
      sent += 1;
      if (sent < EVENTS) res.write(`data: ${version}\n\n`);
      else {
        clearInterval(timer);
        res.end('data: [DONE]\n\n');
      }
    }, EVENT_MS);
    res.on('close', () => clearInterval(timer));
  });
});
server.keepAliveTimeout = 75_000;
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
