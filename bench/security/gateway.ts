import fc from 'fast-check';
import type { RouteRecord } from '../../domain/route';
import { encoded, judged, latin, wireBytes } from './api';
import { hostileJson, hostileJsonText, hostileText, mangled } from './hostile';
import { Site } from './site';
import { crash, surface, type SurfacePlan } from './surface';
import { rawRequest, sendRaw, type RawAnswer, type RawRequest } from './wire';

const C = '/control/v1/services/mail';
const backend = { address: 'http://127.0.0.1:1', instance: 'mail@1.1#a', digest: 'sha256:2' };
const records: readonly RouteRecord[] = [
  {
    service: 'mail',
    epoch: 5,
    primary: '1.1',
    pins: [{ version: '1.0', until: 4e12 }],
    fallback: '1.0',
    backends: { '1.1': [backend], '1.0': [{ ...backend, instance: 'mail@1.0#a' }] },
  },
  {
    service: 'mail',
    epoch: 9,
    primary: '1.1',
    pins: [],
    share: { version: '1.0', weight: 0.1, until: 4e12 },
    backends: {
      '1.1': [{ ...backend, selector: { by: 'path', from: '/a', to: '/b' } }],
      '1.0': [{ ...backend, selector: { by: 'model', public: 'm', name: 'm2' } }],
    },
  },
] as unknown as RouteRecord[];
const at = '2026-01-01T00:00:00Z';

interface ControlRoute {
  readonly method: string;
  readonly path: string;
  readonly query?: readonly string[];
  readonly good?: readonly unknown[];
}

const controlRoutes: readonly ControlRoute[] = [
  { method: 'PUT', path: `${C}/route`, good: records },
  { method: 'PUT', path: `${C}/route`, good: records },
  { method: 'POST', path: `${C}/fence`, good: [{ epoch: 3 }] },
  { method: 'GET', path: C },
  { method: 'GET', path: `${C}/telemetry`, query: ['after', 'limit'] },
  { method: 'GET', path: `${C}/window`, query: ['from', 'to'] },
  { method: 'GET', path: `${C}/samples`, query: ['limit', 'version', 'labelled'] },
  { method: 'GET', path: `${C}/inputs`, query: ['limit', 'from', 'to'] },
  { method: 'DELETE', path: `${C}/samples`, query: ['requestId', 'session'] },
  {
    method: 'POST',
    path: `${C}/feedback`,
    good: [{ items: [{ requestId: 'r', label: 'spam', observedAt: at, source: 'desk' }] }],
  },
  {
    method: 'POST',
    path: `${C}/mirror`,
    good: [{ drill: 'd', items: [{ id: 'a', path: '/', contentType: 'application/json', body: '{}' }] }],
  },
  {
    method: 'POST',
    path: `${C}/observations`,
    good: [{ key: 'k', items: [{ metric: 'groundedness', value: 1, at, n: 3 }] }],
  },
  { method: 'GET', path: `${C}/observations`, query: ['metric', 'from', 'to', 'limit'] },
  { method: 'GET', path: `${C}/cache` },
  { method: 'POST', path: `${C}/cache`, good: [{ versions: ['1.0'], by: 'x' }] },
  { method: 'GET', path: `${C}/items`, query: ['version', 'from', 'to', 'cursor', 'limit'] },
  { method: 'GET', path: `${C}/answers`, query: ['at'] },
  { method: 'GET', path: '/control/v1/answers/:id' },
  { method: 'GET', path: '/control/v1/health' },
];

const quantity = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '0',
      '1',
      '0.5',
      '1e3',
      '1e15',
      '9007199254740991',
      '1e308',
      '-1',
      'NaN',
      'Infinity',
      '0x10',
      ' 1 ',
      '2.9',
      '1767225600000',
    ),
  },
  { weight: 1, arbitrary: hostileText },
);

const controlRequest: fc.Arbitrary<RawRequest> = fc
  .constantFrom(...controlRoutes)
  .chain(({ method, path, query = [], good }) =>
    fc
      .record({
        method: fc.constant(method),
        path: fc.oneof(
          { weight: 12, arbitrary: hostileText.map((text) => path.replace(':id', encoded(text))) },
          { weight: 1, arbitrary: hostileText.map((text) => `${path}/${latin(text)}`) },
          { weight: 1, arbitrary: hostileText.map((text) => path.replace('mail', encoded(text))) },
        ),
        query: fc.tuple(
          ...query.map((name) =>
            fc.tuple(
              fc.constant(name),
              fc.oneof({ weight: 5, arbitrary: quantity }, { weight: 1, arbitrary: hostileText }),
            ),
          ),
        ),
        body: good === undefined ? fc.constant(Buffer.alloc(0)) : hostileJsonText(good),
      })
      .map(({ query: given, path: to, ...made }) => ({
        ...made,
        headers: {},
        target: given.length === 0 ? to : `${to}?${new URLSearchParams(given).toString()}`,
      })),
  );

/** The control interface, which only the user of these processes reaches, and which may still be told nonsense. */
export const controlPlan: SurfacePlan = {
  name: 'gateway.control',
  weight: 14,
  open: async () => {
    const site = await Site.open();
    const place = { path: site.paths.gatewayControl.socket };
    return surface({
      name: 'gateway.control',
      inputs: controlRequest,
      meet: async (request) => {
        const harm = judged(await sendRaw(place, rawRequest(request)), []);
        if (harm !== null) return harm;
        const state = await sendRaw(
          place,
          rawRequest({ method: 'GET', target: C, headers: {}, body: Buffer.alloc(0) }),
        );
        const broken = stateProblem(state);
        if (broken !== null) return crash(broken);
        const user = await sendRaw(
          { port: site.entrancePort('mail') },
          rawRequest({
            method: 'POST',
            target: '/v2/models/mail/infer',
            headers: { 'content-type': 'application/json' },
            body: Buffer.from('{}'),
          }),
        );
        return user.status === null ? crash('a user gets no answer afterwards') : null;
      },
      close: () => site.close(),
    });
  },
};

/** Whatever was taken, its state can be read, and what is in force leads somewhere. */
function stateProblem({ status, text }: RawAnswer): string | null {
  if (status !== 200) return `its state is ${status ?? 'nothing'} afterwards: ${text.slice(-200)}`;
  const { record } = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as { record: RouteRecord };
  const named = [record.primary, record.fallback, record.share?.version].filter((one) => one !== undefined);
  const nowhere = named.find(
    (version) => !Object.hasOwn(record.backends, version) || record.backends[version]?.length === 0,
  );
  return nowhere === undefined ? null : `the record in force names ${nowhere}, which has no backend`;
}

export const controlWirePlan: SurfacePlan = {
  name: 'gateway.control.wire',
  weight: 3,
  open: async () => {
    const site = await Site.open();
    const place = { path: site.paths.gatewayControl.socket };
    return surface({
      name: 'gateway.control.wire',
      inputs: wireBytes(C),
      meet: async (bytes) => {
        const answer = await sendRaw(place, bytes, 150);
        if ((answer.status ?? 0) >= 500) return judged(answer, []);
        const state = await sendRaw(
          place,
          rawRequest({ method: 'GET', target: C, headers: {}, body: Buffer.alloc(0) }),
        );
        return state.status === 200 ? null : crash(`its state is ${state.status ?? 'nothing'} afterwards`);
      },
      close: () => site.close(),
    });
  },
};

const goodAnswer = {
  outputs: [
    { name: 'label', data: ['spam'] },
    { name: 'score', data: [0.9] },
  ],
  choices: [{ text: 'a', finish_reason: 'stop' }],
};
const answerHead = (headers: string): string => `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${headers}\r\n`;

/** What a model server says: good or bad JSON, half of it, other lengths than it promised, no HTTP at all. */
const upstreamSays: fc.Arbitrary<Buffer | null> = fc.oneof(
  { weight: 2, arbitrary: fc.constant(null) },
  {
    weight: 4,
    arbitrary: hostileJsonText([goodAnswer]).map((body) =>
      Buffer.concat([Buffer.from(answerHead(`content-length: ${body.length}\r\n`)), body]),
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          'content-length: 999\r\n',
          'content-length: 1\r\n',
          'transfer-encoding: chunked\r\n',
          'content-encoding: gzip\r\n',
          'connection: upgrade\r\n',
          '',
        ),
        hostileJsonText([goodAnswer]),
      )
      .map(([head, body]) => Buffer.concat([Buffer.from(answerHead(head)), body])),
  },
  {
    weight: 2,
    arbitrary: mangled([
      `${answerHead('')}${JSON.stringify(goodAnswer)}`,
      'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {"choices":[{"text":"a"}]}\n\ndata: [DONE]\n\n',
    ]),
  },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 100, max: 999 })
      .map((status) => Buffer.from(`HTTP/1.1 ${status} x\r\ncontent-length: 0\r\n\r\n`)),
  },
);

const userRequest: fc.Arbitrary<RawRequest> = fc.record({
  method: fc.constantFrom('POST', 'POST', 'POST', 'GET', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'),
  target: fc.oneof(
    { weight: 3, arbitrary: fc.constant('/v2/models/mail/infer') },
    { weight: 1, arbitrary: hostileText.map((text) => `/${latin(text)}`) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('//', '/..', '/%2e%2e/', '/v2/models/mail/infer?x=%zz', 'http://evil/', '*'),
    },
  ),
  headers: fc.dictionary(
    fc.constantFrom(
      'content-type',
      'x-session-id',
      'x-request-id',
      'cookie',
      'x-lastgood-probe',
      'x-lastgood-mirror',
      'x-lastgood-drill',
      'x-lastgood-reason',
      'accept-encoding',
      'content-encoding',
      'authorization',
      'te',
      'trailer',
      'upgrade',
      'expect',
      'x-item-id',
    ),
    hostileText.map(latin),
    { maxKeys: 4 },
  ),
  body: fc.oneof(
    {
      weight: 3,
      arbitrary: hostileJsonText([{ user: 'u', item: 'i', email: 'a@b', inputs: [{ name: 'text', data: ['x'] }] }]),
    },
    { weight: 1, arbitrary: hostileJson.map((value) => Buffer.from(JSON.stringify(value))) },
  ),
});

/** Users and model servers, both as they please; the gateway between them goes on and answers everybody. */
export const entrancePlan: SurfacePlan = {
  name: 'gateway.entrance',
  weight: 14,
  open: async () => {
    const site = await Site.open();
    const place = { port: site.entrancePort('mail') };
    return surface({
      name: 'gateway.entrance',
      inputs: fc.tuple(userRequest, upstreamSays),
      meet: async ([request, says]) => {
        site.says = says;
        const answer = await sendRaw(place, rawRequest(request));
        site.says = null;
        // What the client wrote as Expect is Node's to refuse.
        if (answer.status === null && says === null) return crash('the connection ended without an answer');
        const after = await sendRaw(
          place,
          rawRequest({
            method: 'POST',
            target: '/v2/models/mail/infer',
            headers: { 'content-type': 'application/json' },
            body: Buffer.from('{}'),
          }),
        );
        return after.status === 200
          ? null
          : crash(`the next user gets ${after.status ?? 'nothing'}: ${after.text.slice(-200)}`);
      },
      close: () => site.close(),
    });
  },
};
