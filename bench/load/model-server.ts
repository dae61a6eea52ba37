import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';

/**
 * A small Open Inference server of one version, for timing loads as a process and as a container:
 * `--artifact DIR --digest D [--report FILE] [--port N]`. It is ready as soon as it listens.
 */
const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { artifact: text, digest: text, report: text, port: text } });
const { version } = JSON.parse(readFileSync(join(values.artifact ?? '', 'light.json'), 'utf8')) as { version: string };
const json = { 'content-type': 'application/json' };

const server = createServer((req, res) => {
  req.resume();
  req.on('end', () => {
    const { url = '', method } = req;
    const metadata = { name: 'mail', versions: [version], parameters: { digest: values.digest } };
    const outputs = [{ name: 'label', shape: [1], datatype: 'BYTES', data: ['spam'] }];
    if (url.endsWith('/infer')) {
      res.writeHead(200, json).end(JSON.stringify({ model_name: 'mail', model_version: version, outputs }));
    } else if (url.endsWith('/ready')) res.writeHead(200, json).end('{}');
    else if (url === '/v2/models/mail' && method === 'GET') res.writeHead(200, json).end(JSON.stringify(metadata));
    else res.writeHead(404, json).end('{"error":"no such path"}');
  });
});
server.keepAliveTimeout = 75_000;
server.listen(Number(values.port ?? 0), '127.0.0.1', () => {
  if (values.report === undefined) return;
  const { port } = server.address() as AddressInfo;
  writeFileSync(`${values.report}.new`, JSON.stringify({ port }));
  renameSync(`${values.report}.new`, values.report);
});
process.on('SIGTERM', () => process.exit(0));
