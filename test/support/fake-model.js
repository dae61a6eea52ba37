'use strict';
/*
 * A small, real Open Inference server for tests; plain JavaScript so that it can be spawned without a build.
 *
 * In a test:     const model = await startFakeModel({ digest, label: 'spam' }); … await model.close();
 * As a process:  node fake-model.js --digest D --model M --label L --report FILE [--port N] [--host H] [--slow-start MS] [--exit-after MS]
 *                [--ignore-sigterm] [--print TEXT]
 *
 * Its faults may be changed while it runs: `model.faults` in a test, `POST /faults` {…} from outside:
 * `status` (every inference answers it), `delayMs`, `hang`, `reset`, `notReady`, `garbage`, `hugeBytes`, `label` (this class
 * instead of its own), `share` (part of the requests that have the fault, 0–1, by count and not by chance).
 */
const http = require('node:http');
const fs = require('node:fs');

const DEFAULTS = {
  digest: 'sha256:fake',
  model: 'mail',
  version: '1',
  label: 'spam',
  score: 0.9,
  host: '127.0.0.1',
  port: 0,
};

function startFakeModel(given = {}) {
  const options = { ...DEFAULTS, ...given };
  const model = { faults: {}, requests: 0, inferences: [], options };
  let counter = 0;

  const send = (response, status, body, headers = {}) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(status, { 'content-type': 'application/json', ...options.headers, ...headers });
    response.end(text);
  };

  const faultApplies = () => {
    const share = model.faults.share ?? 1;
    counter += 1;
    return Math.floor(counter * share) > Math.floor((counter - 1) * share);
  };

  const answer = (body, request, faultLabel) => {
    const input = body?.inputs?.[0]?.data?.[0] ?? body?.text;
    const own =
      typeof options.label === 'function' ? options.label(input, request) : (options.answers?.[input] ?? options.label);
    const label = faultLabel ?? own;
    return {
      model_name: options.model,
      model_version: options.version,
      ...(options.digest === null ? {} : { parameters: { digest: options.digest } }),
      outputs: [
        { name: 'label', shape: [1], datatype: 'BYTES', data: [label] },
        { name: 'score', shape: [1], datatype: 'FP64', data: [options.score] },
      ],
    };
  };

  const server = http.createServer((request, response) => {
    model.requests += 1;
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const path = request.url.split('?')[0];
      if (path === '/faults' && request.method === 'POST') {
        model.faults = JSON.parse(text);
        return send(response, 200, {});
      }
      if (path === '/v2/health/ready' || path === `/v2/models/${options.model}/ready`) {
        return send(response, model.faults.notReady ? 503 : 200, {});
      }
      if (path === '/v2/health/live') return send(response, 200, {});
      if (path === `/v2/models/${options.model}` && request.method === 'GET') {
        options.onLook?.();
        return send(response, 200, {
          name: options.model,
          versions: [options.version],
          platform: 'fake',
          inputs: [{ name: 'text', datatype: 'BYTES', shape: [1] }],
          outputs: [{ name: 'label', datatype: 'BYTES', shape: [1] }],
          ...(options.digest === null || options.hideDigest ? {} : { parameters: { digest: options.digest } }),
        });
      }
      if (!path.startsWith(`/v2/models/${options.model}/`) && path !== '/predict')
        return send(response, 404, { error: `unknown path ${path}` });
      model.inferences.push({ headers: request.headers, text });
      if (model.gate) return void model.gate.then(() => send(response, 200, answer(JSON.parse(text), request)));
      if (faultApplies()) {
        const { faults } = model;
        if (faults.reset) return request.socket.destroy();
        if (faults.hang) return undefined;
        if (faults.status) return send(response, faults.status, { error: 'fault' });
        if (faults.garbage) return send(response, 200, '<html>not json');
        if (faults.hugeBytes) return send(response, 200, `"${'x'.repeat(faults.hugeBytes)}"`);
        if (faults.label) return send(response, 200, answer(JSON.parse(text), request, faults.label));
        if (faults.delayMs)
          return void setTimeout(() => send(response, 200, answer(JSON.parse(text), request)), faults.delayMs);
      }
      return send(response, 200, answer(JSON.parse(text), request));
    });
  });

  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      model.port = server.address().port;
      model.address = `http://${options.host}:${model.port}`;
      model.close = () =>
        new Promise((done) => {
          server.close(() => done());
          server.closeAllConnections();
        });
      model.server = server;
      resolve(model);
    });
  });
}

module.exports = { startFakeModel };

async function main(argv) {
  const value = (name) => {
    const at = argv.indexOf(`--${name}`);
    return at < 0 ? undefined : argv[at + 1];
  };
  const given = {};
  for (const name of ['digest', 'model', 'version', 'label', 'host'])
    if (value(name) !== undefined) given[name] = value(name);
  if (value('port') !== undefined) given.port = Number(value('port'));
  if (value('print') !== undefined) console.log(value('print'));
  if (value('slow-start') !== undefined) await new Promise((done) => setTimeout(done, Number(value('slow-start'))));
  const model = await startFakeModel(given);
  const report = value('report');
  if (report !== undefined) {
    fs.writeFileSync(`${report}.tmp`, JSON.stringify({ port: model.port, pid: process.pid }));
    fs.renameSync(`${report}.tmp`, report);
  }
  console.log(`listening on ${model.port}`);
  if (argv.includes('--ignore-sigterm')) process.on('SIGTERM', () => console.log('SIGTERM ignored'));
  else {
    process.on('SIGTERM', () => {
      console.log('SIGTERM: stopping');
      void model.close().then(() => process.exit(0));
    });
  }
  if (value('exit-after') !== undefined) {
    setTimeout(
      () => {
        console.error('giving up');
        process.exit(3);
      },
      Number(value('exit-after')),
    );
  }
}

if (require.main === module) void main(process.argv.slice(2));
