import { copyFileSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:https';
import { connect as connectHttp2 } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'node:tls';
import { Agent, request } from 'undici';
import type { CountsRow } from '../../../gateway/protocol';
import { gatewayRouter } from '../../../adapters/traffic/gateway';
import { expectProof, httpCall } from '../../../adapters/serving/http';
import { Authority, replaceBy, type Issued } from '../../support/certificates';
import { route, startGateway, type GatewayProcess } from '../../support/gateway-process';
import { until } from '../../support/load';

jest.setTimeout(60_000);

const ours = new Authority('ours');
const others = new Authority('others');
const client = ours.issue('client', 'DNS:client');
const stranger = others.issue('stranger', 'DNS:client');
const first = ours.issue('entrance', 'IP:127.0.0.1');
const next = others.issue('entrance', 'IP:127.0.0.1');
const model = ours.issue('model', 'DNS:model.internal');

/** A copy of the files, which a test may change. */
const files = mkdtempSync(join(tmpdir(), 'lastgood-tls-'));
const entrance: Issued = { certFile: join(files, 'cert.pem'), keyFile: join(files, 'key.pem') };
replaceBy(entrance, first);
const serverCa = join(files, 'ca.pem');
copyFileSync(ours.caFile, serverCa);

const seen: IncomingHttpHeaders[] = [];
const server = createServer({ cert: readFileSync(model.certFile), key: readFileSync(model.keyFile) }, (req, res) => {
  seen.push(req.headers);
  req.resume();
  if (req.url === '/stream') {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    let left = 30;
    const timer = setInterval(() => {
      if (left-- > 0) res.write('data: x\n\n');
      else {
        clearInterval(timer);
        res.end('data: [DONE]\n\n');
      }
    }, 100);
    return;
  }
  req.on('end', () => res.writeHead(200, { 'content-type': 'application/json' }).end('{"said":"hi"}'));
});

let gateway: GatewayProcess;
const agents: Agent[] = [];

function agent(authority: Authority, proof: Issued | null): Agent {
  const own = proof === null ? {} : { cert: readFileSync(proof.certFile), key: readFileSync(proof.keyFile) };
  const made = new Agent({ connect: { ca: readFileSync(authority.caFile), ...own }, connections: 1 });
  agents.push(made);
  return made;
}

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  gateway = await startGateway({
    services: [
      {
        name: 'mail',
        listenTls: { ...entrance, clientCaFile: ours.caFile },
        upstreamTls: { caFile: serverCa, serverName: 'model.internal' },
        answer: { textPath: 'said' },
        samples: { share: 1, maxCount: 10, maxAgeMs: 60_000, redactFields: [] },
      },
    ],
  });
  await apply(1);
});
afterAll(async () => {
  await Promise.all(agents.map((each) => each.destroy()));
  await gateway.kill();
  server.closeAllConnections();
  server.close();
});

function apply(epoch: number): Promise<unknown> {
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return gateway.apply(route(epoch, '1', { '1': [{ address, instance: 'mail@1#1', digest: 'sha256:1' }] }));
}

async function ask(dispatcher: Agent, headers: Record<string, string> = {}, path = '/ask'): Promise<number> {
  const given = { 'content-type': 'application/json', ...headers };
  const { statusCode, body } = await request(`${gateway.address()}${path}`, { method: 'POST', dispatcher, headers: given, body: '{"q":1}' }); // prettier-ignore
  await body.dump();
  return statusCode;
}

const metric = async (name: string): Promise<number> => {
  const text = await (await request(`${gateway.metricsAddress}/metrics`)).body.text();
  return Number(new RegExp(`^lastgood_gateway_${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1]);
};

test('only clients with a certificate of the authority come in, and HTTP/2 is refused by ALPN', async () => {
  expect(gateway.address()).toMatch(/^https:/);
  expect(await ask(agent(ours, client))).toBe(200);
  await expect(ask(agent(ours, null))).rejects.toThrow();
  await expect(ask(agent(ours, stranger))).rejects.toThrow();
  const session = connectHttp2(gateway.address(), { ca: readFileSync(ours.caFile) });
  const error = await new Promise<Error>((resolve) => session.on('error', resolve));
  expect(error.message).toMatch(/no application protocol|ALPN/i);
  expect(await metric('certificate_end_timestamp_seconds')).toBeGreaterThan(Date.now() / 1_000 + 86_400);
});

test('a changed certificate is used for new connections, and no request and no stream is lost over it', async () => {
  const held = agent(ours, client);
  const streaming = request(`${gateway.address()}/stream`, { dispatcher: agent(ours, client) }).then(({ body }) =>
    body.text(),
  );
  const asking = (async () => {
    const statuses: number[] = [];
    for (const end = Date.now() + 2_500; Date.now() < end; await pause(20)) statuses.push(await ask(held));
    return statuses;
  })();
  // A certificate that does not belong to the key is no certificate to use: the former one stays.
  copyFileSync(next.certFile, entrance.certFile);
  await until('the refused change', async () => (await metric('certificate_reload_errors_total')) >= 1);
  replaceBy(entrance, next);
  const shown = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const { hostname: host, port } = new URL(gateway.address());
      const own = { cert: readFileSync(client.certFile), key: readFileSync(client.keyFile) };
      const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ...own }, () => {
        resolve(String(socket.getPeerCertificate().issuer.CN));
        socket.destroy();
      });
      socket.on('error', reject);
    });
  await until('the new certificate', async () => (await shown()) === 'others');
  const statuses = await asking;
  expect(statuses.length).toBeGreaterThan(20);
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect((await streaming).endsWith('data: [DONE]\n\n')).toBe(true);
  expect(await ask(agent(others, client))).toBe(200);
});

test('probes come in beside the entrance, with their token alone, and count nowhere', async () => {
  const router = gatewayRouter({ address: gateway.config.control as { socket: string } });
  const { address, clients, probeHeaders } = await router.entrance('mail');
  await router.close();
  expect([address.slice(0, 17), clients]).toEqual(['http://127.0.0.1:', gateway.address()]);
  const before = seen.length;
  const counted = async (): Promise<number> =>
    (await gateway.telemetry()).filter((row): row is CountsRow => row.kind === 'counts').reduce((sum, row) => sum + row.requests, 0); // prettier-ignore
  await pause(1_200);
  const requests = await counted();
  const probed = await request(`${address}/ask`, { method: 'POST', headers: { ...probeHeaders }, body: '{}' });
  expect([probed.statusCode, probed.headers['x-lastgood-version']]).toEqual([200, '1']);
  await probed.body.dump();
  const foreign = await request(`${address}/ask`, {
    method: 'POST',
    headers: { 'x-lastgood-probe': 'guess' },
    body: '{}',
  });
  expect([foreign.statusCode, seen.length - before]).toEqual([403, 1]);
  await foreign.body.dump();
  await pause(1_200);
  expect(await counted()).toBe(requests);
});

test('a server that cannot prove itself gets no request; a changed authority is used', async () => {
  const asking = agent(others, client);
  copyFileSync(others.caFile, serverCa);
  const before = seen.length;
  // Connections that are open stay until they are idle for four seconds; another address would ask at once.
  await until('the changed authority', async () => (await ask(asking)) === 502 || (await pause(4_500), false), 20_000);
  const after = seen.length;
  expect(await ask(asking)).toBe(502);
  expect(seen.length).toBe(after);
  expect(after).toBeGreaterThanOrEqual(before);
  copyFileSync(ours.caFile, serverCa);
  await until('the former authority', async () => (await ask(asking)) === 200);
});

test("lastgood's own questions to a server expect the same proof", async () => {
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const call = { url: `${address}/ask`, method: 'POST', body: '{}', timeoutMs: 2_000 } as const;
  await expect(httpCall(call)).rejects.toThrow(/certificate/);
  expectProof(address, { caFile: ours.caFile, serverName: 'other.internal' });
  await expect(httpCall(call)).rejects.toThrow(/other\.internal/);
  expectProof(address, { caFile: ours.caFile, serverName: 'model.internal' });
  expect((await httpCall(call)).status).toBe(200);
});

test("I6: clients' credentials reach the server, and no file, no log and no metric has them", async () => {
  const canary = 'canary-4f1d8c2e';
  const secrets = { authorization: `Bearer ${canary}`, cookie: `sid=${canary}`, 'x-api-key': canary, 'proxy-authorization': `Basic ${canary}` }; // prettier-ignore
  const asking = agent(others, client);
  expect(await ask(asking, secrets, `/ask?api_key=${canary}`)).toBe(200);
  expect(seen.at(-1)).toMatchObject({
    authorization: `Bearer ${canary}`,
    cookie: `sid=${canary}`,
    'x-api-key': canary,
  });
  // A failing and a refused request, too.
  server.closeAllConnections();
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  expect(await ask(asking, secrets, `/ask?api_key=${canary}`)).toBe(502);
  expect(await ask(asking, { ...secrets, 'x-lastgood-mirror': '1' })).toBe(400);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const { samples } = (await gateway.control('GET', '/services/mail/samples')).body as { samples: { path: string }[] };
  expect(samples[0]?.path).toBe('/ask');
  expect(await (await request(`${gateway.metricsAddress}/metrics`)).body.text()).not.toContain(canary);
  await gateway.stop();
  const { dataDir } = gateway.config;
  const written = readdirSync(dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  writeFileSync(join(dataDir, 'stderr.txt'), gateway.stderr);
  expect(written.length).toBeGreaterThan(3);
  const having = written.filter(({ parentPath, name }) => readFileSync(join(parentPath, name)).includes(canary));
  expect(having).toEqual([]);
  expect(gateway.stderr).not.toContain(canary);
  // The search would find what is there.
  expect(written.some(({ parentPath, name }) => readFileSync(join(parentPath, name)).includes('{"q":1}'))).toBe(true);
});
