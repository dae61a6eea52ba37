import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The model server of all services that nobody kills: one process, each model by its name, as somebody else's server that
 * is attached by its address. Its memory and its time are not lastgood's.
 */
const json = { 'content-type': 'application/json' };
const outputs = [{ name: 'label', shape: [1], datatype: 'BYTES', data: ['spam'] }];

const server = createServer((req, res) => {
  req.resume();
  req.on('end', () => {
    const { url = '' } = req;
    const [, model] = /^\/v2\/models\/([^/]+)/.exec(url) ?? [];
    if (url.endsWith('/infer'))
      res.writeHead(200, json).end(JSON.stringify({ model_name: model, model_version: '1.0', outputs }));
    else if (url.endsWith('/ready') || url.endsWith('/live')) res.writeHead(200, json).end('{}');
    else if (model === undefined) res.writeHead(404, json).end('{"error":"no such path"}');
    else
      res.writeHead(200, json).end(
        JSON.stringify({
          name: model,
          versions: ['1.0'],
          parameters: { digest: `sha256:${'0'.repeat(64)}`, version: '1.0' },
        }),
      );
  });
});
server.keepAliveTimeout = 75_000;
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
