import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { request } from 'undici';
import type { VersionSelector } from '../../../domain/route';
import type { CountsRow, Sample } from '../../../gateway/protocol';
import { engineOn } from '../../../activities/engine-on';
import { openAiEngine } from '../../../adapters/serving/openai';
import { gatewayRouter } from '../../../adapters/traffic/gateway';
import { route, startGateway, type GatewayProcess } from '../../support/gateway-process';
import { until } from '../../support/load';

jest.setTimeout(60_000);

/** One server with several models, as vLLM has them: a base and an adapter for each version. */
const MODELS = ['base', 'bot@v1', 'bot@v2'];
const seen: { url: string; body: string; headers: IncomingMessage['headers'] }[] = [];
/** Models whose requests kill their connection. */
const deadly = new Set<string>();

interface Chat {
  readonly model: string;
  readonly stream?: boolean;
  readonly missing?: boolean;
  readonly odd?: 'compressed' | 'half';
}

const server = createServer((req, res) => {
  const parts: Buffer[] = [];
  req.on('data', (part: Buffer) => parts.push(part));
  req.on('end', () => answer(req, res, Buffer.concat(parts).toString()));
});

function answer(req: IncomingMessage, res: ServerResponse, body: string): void {
  const url = req.url ?? '';
  seen.push({ url, body, headers: req.headers });
  const json = (status: number, value: unknown): void => {
    const text = JSON.stringify(value);
    res.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      etag: '"e"',
    });
    res.end(text);
  };
  if (url === '/v1/models')
    return json(200, { object: 'list', data: MODELS.map((id) => ({ id, root: '/models/secret' })) });
  if (!url.startsWith('/v1/')) return json(200, { url, version: req.headers['x-model-version'] ?? null });
  const { model, stream, missing, odd } = JSON.parse(body) as Chat;
  if (odd === 'compressed') {
    res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    res.end(gzipSync(JSON.stringify({ model })));
    return;
  }
  if (odd === 'half') {
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
    res.write(`{"model":"${model}`);
    setTimeout(() => res.destroy(), 20);
    return;
  }
  if (deadly.has(model)) {
    req.socket.resetAndDestroy();
    return;
  }
  if (missing || !MODELS.includes(model))
    return json(404, { error: { message: `The model \`${model}\` does not exist.` } });
  const content = `I am ${model}`;
  if (!stream) return json(200, { id: 'c', model, choices: [{ message: { content }, finish_reason: 'stop' }] });
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  const events = [...content].map((piece) => ({ id: 'c', model, choices: [{ index: 0, delta: { content: piece } }] }));
  const last = { id: 'c', model, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
  const whole = Buffer.from(
    [...events, last].map((each) => `data: ${JSON.stringify(each)}\n\n`).join('') + 'data: [DONE]\n\n',
  );
  for (let at = 0; at < whole.length; at += 7) res.write(whole.subarray(at, at + 7));
  res.end();
}

let gateway: GatewayProcess;
let address: string;
let epoch = 0;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  gateway = await startGateway({
    services: [
      {
        name: 'mail',
        replayLimitBytes: 10_000,
        answer: { textPath: 'choices[0].message.content' },
        samples: { share: 1, maxCount: 100, maxAgeMs: 60_000, redactFields: [] },
      },
    ],
  });
});
afterAll(async () => {
  await gateway.kill();
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  seen.length = 0;
  deadly.clear();
});

const backend = (version: string, selector?: VersionSelector) => [
  { address, instance: `mail@${version}#1`, digest: `sha256:${version}`, ...(selector && { selector }) },
];
const byModel = (version: string) => backend(version, { by: 'model', public: 'bot', name: `bot@${version}` });
const both = () => ({ v1: byModel('v1'), v2: byModel('v2') });

async function apply(
  ...[primary, versions, more]: [string, Parameters<typeof route>[2], Parameters<typeof route>[3]?]
) {
  expect(await gateway.apply(route((epoch += 1), primary, versions, more))).toEqual(
    expect.objectContaining({ applied: true }),
  );
}

interface Answer {
  readonly status: number;
  readonly version: string;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}
async function send(
  path: string,
  body?: string | Buffer | Readable,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const given = { 'content-type': 'application/json', ...headers };
  const method = body === undefined ? 'GET' : 'POST';
  const got = await request(`${gateway.address()}${path}`, {
    method,
    headers: given,
    ...(body !== undefined && { body }),
  });
  return { status: got.statusCode, version: String(got.headers['x-lastgood-version']), headers: got.headers, text: await got.body.text() }; // prettier-ignore
}
const chat = (more = ''): string => `{"model": "bot", "n":12345678901234567890, "messages":[]${more}}`;

test('adapters of one server: the route names the version, and clients see the public name alone', async () => {
  await apply('v1', both());
  const first = await send('/v1/chat/completions', chat(), { 'accept-encoding': 'gzip', 'x-session-id': 's' });
  expect(first).toMatchObject({ status: 200, version: 'v1' });
  expect(JSON.parse(first.text)).toMatchObject({ model: 'bot', choices: [{ message: { content: 'I am bot@v1' } }] });
  expect(first.headers['content-length']).toBe(String(Buffer.byteLength(first.text)));
  expect(first.headers['etag']).toBeUndefined();
  // Every byte but the name, and no compression that would hide it.
  expect(seen[0]?.body).toBe(chat().replace('"bot"', '"bot@v1"'));
  expect(seen[0]?.headers).toMatchObject({
    'accept-encoding': 'identity',
    'content-length': String(chat().length + 3),
  });
  await apply('v2', both(), { pins: [{ version: 'v1', until: Date.now() + 60_000 }] });
  const streamed = await send('/v1/chat/completions', chat(',"stream":true'));
  const events = streamed.text.split('\n\n').filter((event) => event.startsWith('data: {'));
  const chunks = events.map(
    (event) => JSON.parse(event.slice(6)) as { model: string; choices: [{ delta: { content?: string } }] },
  );
  expect(new Set(chunks.map(({ model }) => model))).toEqual(new Set(['bot']));
  expect(chunks.map(({ choices }) => choices[0].delta.content ?? '').join('')).toBe('I am bot@v2');
  expect(streamed.text.endsWith('data: [DONE]\n\n')).toBe(true);
  // A pinned session stays on its version, in the same process.
  expect((await send('/v1/chat/completions', chat(), { 'x-session-id': 's' })).text).toContain('I am bot@v1');
  const error = await send('/v1/chat/completions', chat(',"missing":true'));
  expect(error).toMatchObject({ status: 404, text: expect.stringContaining('The model `bot` does not exist.') });
  const list = await send('/v1/models');
  expect(JSON.parse(list.text)).toEqual({ object: 'list', data: [{ id: 'bot' }] });
  // The sample is the client's own request, with what was answered to it.
  const { samples } = (await gateway.control('GET', '/services/mail/samples')).body as { samples: Sample[] };
  expect(samples.map(({ body, answer, version }) => [body, answer, version])).toContainEqual([
    chat(),
    'I am bot@v1',
    'v1',
  ]);
  expect(samples.map(({ body, answer }) => [body, answer])).toContainEqual([chat(',"stream":true'), 'I am bot@v2']);
  expect(await gateway.state()).toMatchObject({ inFlight: {} });
});

test('I6, I14: a repetition on another version is written anew for that one, and the answer record has the version that answered', async () => {
  await apply('v1', both(), { fallback: 'v2' });
  deadly.add('bot@v1');
  // One request that ends a backend, and comes alone, is no proof that nobody gets an answer there.
  expect(await send('/v1/chat/completions', chat())).toMatchObject({ status: 502 });
  seen.splice(0);
  const sent = await send('/v1/chat/completions', chat());
  expect(sent).toMatchObject({ status: 200, version: 'v2', text: expect.stringContaining('I am bot@v2') });
  expect(seen.map(({ body }) => (JSON.parse(body) as { model: string }).model)).toEqual(['bot@v1', 'bot@v1', 'bot@v2']);
  expect((await gateway.state()).fallback).toMatchObject({ version: 'v2' });
  const id = String(sent.headers['x-request-id']);
  await until('the answer record', async () => {
    const { body } = await gateway.control('GET', `/answers/${id}`);
    return (body as { answer?: { version: string } }).answer?.version === 'v2';
  });
  // To a version with an address of its own the request goes as it came.
  await apply('v3', { v3: backend('v3') });
  MODELS.push('bot');
  expect(JSON.parse((await send('/v1/chat/completions', chat())).text)).toMatchObject({ model: 'bot' });
  expect(seen.at(-1)?.body).toBe(chat());
  MODELS.pop();
});

test('a body without a length is taken in first; what cannot be named is refused, counted, and reaches no version', async () => {
  await apply('v1', both());
  const pieces = [chat().slice(0, 5), chat().slice(5)].map((piece) => Buffer.from(piece));
  expect((await send('/v1/chat/completions', Readable.from(pieces))).text).toContain('I am bot@v1');
  expect(seen.splice(0).map(({ body }) => body)).toEqual([chat().replace('"bot"', '"bot@v1"')]);
  const long = `{"model":"bot","messages":["${'x'.repeat(20_000)}"]}`;
  const refusals: [Parameters<typeof send>, number, string][] = [
    [['/v1/chat/completions', long], 413, 'too-long'],
    [['/v1/chat/completions', Readable.from([Buffer.from(long)])], 413, 'too-long'],
    [['/v1/chat/completions', '{"model":"bot@v2"}'], 404, 'unknown-model'],
    [['/v1/chat/completions', '{"model":"bot","model":"bot@v2"}'], 400, 'model-twice'],
    [['/v1/chat/completions', chat(), { 'content-type': 'multipart/form-data; boundary=x' }], 415, 'not-json'],
    [['/v1/unload_lora_adapter', '{"model":"bot","lora_name":"bot@v1"}'], 404, 'not-offered'],
    [['/metrics'], 404, 'not-offered'],
  ];
  for (const [asked, status, reason] of refusals) {
    const refused = await send(...asked);
    expect([refused.status, refused.headers['x-lastgood-reason'], refused.version]).toEqual([status, reason, 'none']);
    expect(JSON.parse(refused.text)).toMatchObject({ error: reason, requestId: expect.any(String) });
    expect(refused.text).not.toContain('bot@v1');
  }
  expect(seen).toEqual([]);
  expect((await gateway.state()).inFlight).toEqual({});
  const metrics = await (await request(`${gateway.metricsAddress}/metrics`)).body.text();
  expect(metrics).toContain('lastgood_gateway_refused_total{service="mail",reason="too-long"} 2');
  const failures = (await gateway.telemetry()).filter(
    (row): row is CountsRow => row.kind === 'counts' && row.epoch === epoch,
  );
  expect(failures.map((row) => row.failures)).not.toContain(1);
});

test('I6: an answer that cannot be given on under the public name is a 502 that counts against the version', async () => {
  await apply('v1', both());
  const asked = ['compressed', 'half'].map((odd) => send('/v1/chat/completions', chat(`,"odd":"${odd}"`)));
  const [compressed, half] = await Promise.all(asked);
  expect([compressed?.status, compressed?.headers['x-lastgood-reason']]).toEqual([502, 'encoded-answer']);
  expect([half?.status, half?.headers['x-lastgood-reason'], half?.version]).toEqual([502, 'cut', 'v1']);
  for (const each of [compressed, half]) expect(each?.text).not.toContain('bot@v1');
  const ofThis = async (): Promise<CountsRow[]> =>
    (await gateway.telemetry()).filter((row): row is CountsRow => row.kind === 'counts' && row.epoch === epoch);
  const total = async (key: 'failures' | 'cut'): Promise<number> =>
    (await ofThis()).reduce((sum, row) => sum + row[key], 0);
  await until('both are counted', async () => (await total('failures')) === 1 && (await total('cut')) === 1);
  expect((await gateway.state()).inFlight).toEqual({});
});

test('a probe through the router reaches the version of the route, and one past it names the version itself', async () => {
  await apply('v2', both());
  const router = gatewayRouter({ address: gateway.config.control as { socket: string } });
  const { address: entrance, probeHeaders } = await router.entrance('mail');
  await router.close();
  const engine = openAiEngine();
  const limits = { timeoutMs: 2_000 };
  const through = await engine.infer(entrance, 'bot', { messages: [] }, { ...limits, headers: probeHeaders });
  expect(through.outputs['text']).toBe('I am bot@v2');
  expect(through.headers['x-lastgood-version']).toBe('v2');
  const [first] = both().v1;
  if (!first) throw new Error('no backend');
  const past = await engineOn(engine, first).infer(address, 'bot', { messages: [], model: 'bot' }, limits);
  expect(past.outputs['text']).toBe('I am bot@v1');
});

test('a version in the path or in a header, over the same connections', async () => {
  const inPath = (n: string): VersionSelector => ({
    by: 'path',
    from: '/v2/models/m',
    to: `/v2/models/m/versions/${n}`,
  });
  await apply('p1', { p1: backend('p1', inPath('1')), p2: backend('p2', inPath('2')) });
  expect(JSON.parse((await send('/v2/models/m/infer?q=1', '{}')).text)).toMatchObject({
    url: '/v2/models/m/versions/1/infer?q=1',
  });
  expect((await send('/v2/models/m/versions/2/infer', '{}')).headers['x-lastgood-reason']).toBe('version-named');
  expect((await send('/v2/repository/models/m/unload', '{}')).headers['x-lastgood-reason']).toBe('not-offered');
  // A long body streams through: only the JSON field needs it whole.
  await send('/v2/models/m/infer', Readable.from([Buffer.alloc(50_000, 'a')]));
  expect(seen.at(-1)?.body).toHaveLength(50_000);
  await apply('h1', { h1: backend('h1', { by: 'header', header: 'X-Model-Version', value: '7' }) });
  const named = await send('/predict', '{}', { 'x-model-version': '8', x_model_version: '9' });
  expect(JSON.parse(named.text)).toEqual({ url: '/predict', version: '7' });
  expect(seen.at(-1)?.headers['x_model_version']).toBeUndefined();
});

test('WebSocket, HTTP/2 with gRPC, and CONNECT are told what to use instead', async () => {
  await apply('v1', both());
  const port = Number(new URL(gateway.address()).port);
  const raw = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let got = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      socket.on('data', (piece: Buffer) => {
        got += piece.toString('latin1');
        if (got.includes('"}')) socket.end();
      });
      socket.on('close', () => resolve(got));
      socket.on('error', reject);
    });
  const upgrade =
    'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA==\r\n';
  const webSocket = await raw(`GET /ws HTTP/1.1\r\nhost: g\r\n${upgrade}\r\n`);
  expect(webSocket).toMatch(/^HTTP\/1\.1 501 /);
  expect(webSocket).toContain('router.kind: haproxy');
  expect(await raw('CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n')).toMatch(/^HTTP\/1\.1 501 .*forward proxy/s);
  expect(await raw('nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  // An offer of HTTP/2 by upgrade is one that a server may ignore.
  const h2c = 'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n';
  expect(await raw(`GET /v1/models HTTP/1.1\r\nhost: g\r\n${h2c}\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
  const session = connectHttp2(gateway.address());
  session.on('error', () => undefined);
  const [code, why] = await new Promise<[number, string]>((resolve) =>
    session.once('goaway', (errorCode, _last, data) => resolve([errorCode, String(data)])),
  );
  expect([code, why]).toEqual([0xd, expect.stringContaining('the gateway speaks HTTP/1.1 only')]);
  session.destroy();
  expect(seen.map(({ url }) => url)).toEqual(['/v1/models']);
});

test('I6: a long body that is on its way while the route moves to a version without a name in it is answered, not lost', async () => {
  await apply('v1', both());
  const body = new Readable({ read: () => undefined });
  body.push(Buffer.from('{"model":"bot","messages":["'));
  const asked = send('/v1/chat/completions', body);
  await until('the request', async () => ((await gateway.state()).inFlight['v1'] ?? 0) === 1);
  await apply('v3', { v3: backend('v3') });
  body.push(Buffer.alloc(20_000, 'x'));
  body.push(null);
  expect(await asked).toMatchObject({ status: 413, version: 'none' });
  expect((await gateway.state()).inFlight).toEqual({});
  // The gateway lives, and a short one goes where the route leads by then.
  const short = new Readable({ read: () => undefined });
  await apply('v1', both());
  short.push(Buffer.from('{"model":"bot",'));
  const second = send('/v1/chat/completions', short);
  await until('the request', async () => ((await gateway.state()).inFlight['v1'] ?? 0) === 1);
  await apply('v2', both());
  short.push(Buffer.from('"messages":[]}'));
  short.push(null);
  expect(await second).toMatchObject({ status: 200, version: 'v2', text: expect.stringContaining('I am bot@v2') });
});

test('I6, I14: while the route moves between adapters of one server, no answer and no stream mixes them, and none is lost', async () => {
  await apply('v1', both());
  let running = true;
  const answers: Answer[] = [];
  const clients = Array.from({ length: 8 }, async (_, client) => {
    while (running) answers.push(await send('/v1/chat/completions', chat(client % 2 === 0 ? ',"stream":true' : '')));
  });
  for (let move = 0; move < 20; move += 1) {
    const before = answers.length;
    await apply(move % 2 === 0 ? 'v2' : 'v1', both());
    await until('answers under this route', () => answers.length > before + 8);
  }
  running = false;
  await Promise.all(clients);
  expect(answers.length).toBeGreaterThan(160);
  const said = ({ text }: Answer): string =>
    [...text.matchAll(/"content":"([^"]*)"/g)].map(([, piece]) => piece).join('');
  expect(answers.filter((each) => each.status !== 200 || said(each) !== `I am bot@${each.version}`)).toEqual([]);
  expect(new Set(answers.map(({ version }) => version))).toEqual(new Set(['v1', 'v2']));
  expect(answers.filter(({ text }) => /"model":"(?!bot")/.test(text))).toEqual([]);
  // The answer record has, for every one of them, the version that its own text names.
  const last = answers.slice(-20);
  await until('the answer record', async () => {
    const found = await Promise.all(
      last.map(({ headers }) => gateway.control('GET', `/answers/${String(headers['x-request-id'])}`)),
    );
    return found.every(
      ({ body }, at) => (body as { answer?: { version: string } }).answer?.version === last[at]?.version,
    );
  });
});
