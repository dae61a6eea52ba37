import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The model server of the gateway's benchmark: a fixed answer in the Open Inference form, or 50 events. */
const ANSWER = Buffer.from(
  JSON.stringify({
    model_name: 'mail',
    model_version: '1',
    outputs: [
      { name: 'label', shape: [1], datatype: 'BYTES', data: ['discussion'] },
      { name: 'score', shape: [1], datatype: 'FP32', data: [0.93] },
    ],
  }),
);
const EVENTS = 50;
const EVENT_MS = 20;

const server = createServer((req, res) => {
  req.resume();
  req.on('end', () => {
    if (req.url !== '/stream') {
      res.writeHead(200, ['content-type', 'application/json', 'content-length', String(ANSWER.length)]);
      res.end(ANSWER);
      return;
    }
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    let sent = 0;
    const timer = setInterval(() => {
      sent += 1;
      if (sent < EVENTS) res.write(`data: ${sent}\n\n`);
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
