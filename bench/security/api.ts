import fc from 'fast-check';
import { openRoutes, promised, type PromisedRoute } from './api-routes';
import { hostileJsonText, hostileText } from './hostile';
import { SERVICES } from './configured';
import { Site } from './site';
import { crash, surface, type Harm, type SurfacePlan } from './surface';
import { rawRequest, sendRaw, type RawRequest } from './wire';

/** The controller's interface as its own user reaches it: everything that a body or a path can do comes to the end. */
export const apiPlan: SurfacePlan = {
  name: 'api',
  weight: 22,
  open: async () => {
    const site = await Site.open();
    const { path } = await site.api({ kind: 'socket', user: 'ada' });
    return surface({
      name: 'api',
      inputs: requests([...promised, ...openRoutes]),
      meet: async (request) => {
        const answer = await sendRaw({ path }, rawRequest(request));
        return judged(answer, site.errors.splice(0));
      },
      close: () => site.close(),
    });
  },
};

/** The same, in bytes that are no HTTP, or hardly. */
export const apiWirePlan: SurfacePlan = {
  name: 'api.wire',
  weight: 4,
  open: async () => {
    const site = await Site.open();
    const { path } = await site.api({ kind: 'socket', user: 'ada' });
    return surface({
      name: 'api.wire',
      inputs: wireBytes('/v1/services/mail/ledger'),
      meet: async (bytes) => {
        // Half a request waits for its other half: that is no fault.
        const answer = await sendRaw({ path }, bytes, 150);
        if ((answer.status ?? 0) >= 500) return judged(answer, site.errors.splice(0));
        const after = await sendRaw(
          { path },
          rawRequest({ method: 'GET', target: '/v1/health', headers: {}, body: Buffer.alloc(0) }),
        );
        return after.status === 200 ? null : crash(`health answers ${after.status ?? 'nothing'} afterwards`);
      },
      close: () => site.close(),
    });
  },
};

export function judged(
  { status, text }: { readonly status: number | null; readonly text: string },
  errors: readonly string[],
): Harm | null {
  if (status === null) return crash('the connection ended without an answer');
  const fault = errors[0];
  if (status < 500) return fault === undefined ? null : crash(`answered ${status}, and logged ${fault}`);
  return crash(`answered ${status}: ${text.slice(-400)} ${fault ?? ''}`);
}

export function requests(routes: readonly PromisedRoute[]): fc.Arbitrary<RawRequest> {
  const route = fc.constantFrom(...routes);
  return route.chain(({ method, path, body }) =>
    fc
      .record({
        target: target(path),
        method: fc.oneof(
          { weight: 12, arbitrary: fc.constant<string>(method) },
          { weight: 1, arbitrary: fc.constantFrom('PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'TRACE', 'GET') },
        ),
        headers: headers(),
        body: body === undefined ? fc.constant(Buffer.alloc(0)) : hostileJsonText([body]),
      })
      .map((made): RawRequest => made),
  );
}

function target(path: string): fc.Arbitrary<string> {
  const places = path.split(/(:service|:id)/);
  const [before = '', query = ''] = path.split('?');
  const filled = fc
    .tuple(...places.map((part) => (part === ':service' ? service : part === ':id' ? segment : fc.constant(part))))
    .map((parts) => parts.join(''));
  const queries = fc.array(fc.tuple(fc.constantFrom(...queryNames(query)), hostileText), {
    minLength: 1,
    maxLength: 4,
  });
  return fc.oneof(
    { weight: 4, arbitrary: filled },
    {
      weight: 2,
      arbitrary: fc
        .tuple(filled, queries)
        .map(
          ([at, given]) =>
            `${at.split('?')[0] ?? before}?${new URLSearchParams(given.map(([name, value]): [string, string] => [name, value])).toString()}`,
        ),
    },
    { weight: 1, arbitrary: fc.tuple(filled, hostileText).map(([at, more]) => `${at}${latin(more)}`) },
  );
}

function queryNames(query: string): string[] {
  return [...new URLSearchParams(query).keys(), 'limit', 'at', '__proto__', 'service'];
}

const service = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom<string>(...SERVICES) },
  { weight: 1, arbitrary: hostileText.map(encoded) },
);
const segment = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom('i-1', 'p-1', '%', '%zz', '%00', '..', '%2e%2e%2f') },
  { weight: 2, arbitrary: hostileText.map(encoded) },
);

function headers(): fc.Arbitrary<Record<string, string>> {
  const odd = fc.dictionary(
    fc.constantFrom(
      'content-type',
      'authorization',
      'x-request-id',
      'accept',
      'content-encoding',
      'expect',
      'host',
      'x-forwarded-for',
      'transfer-encoding',
      'if-none-match',
      'range',
      'cookie',
    ),
    hostileText.map(latin),
    { maxKeys: 3 },
  );
  return fc.oneof(
    { weight: 5, arbitrary: fc.constant({ 'content-type': 'application/json' }) },
    { weight: 2, arbitrary: odd },
    { weight: 1, arbitrary: odd.map((more) => ({ 'content-type': 'application/json', ...more })) },
  );
}

/** Some halves of surrogates cannot be encoded. */
export function encoded(text: string): string {
  return encodeURIComponent(text.replace(/[\ud800-\udfff]/g, '?').slice(0, 3_000));
}

export function latin(text: string): string {
  return Buffer.from(text.slice(0, 3_000)).toString('latin1');
}

export function wireBytes(path: string): fc.Arbitrary<Buffer> {
  const good = [
    `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}`,
    `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{"a\r\n3\r\n":1\r\n1\r\n}\r\n0\r\n\r\n`,
  ];
  const tricks = [
    `GET ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n`,
    `GET ${path} HTTP/0.9\r\n\r\n`,
    `GET http://169.254.169.254${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    `GET // HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    `GET /\\evil HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    `OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    `CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n`,
    `POST ${path} HTTP/1.1\r\nhost: x\r\nexpect: nonsense\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}`,
    `GET ${path} HTTP/1.1\r\nhost: x\r\n${'a: b\r\n'.repeat(3_000)}\r\n`,
    `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    '\r\n\r\n\r\n',
  ];
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(fc.constantFrom(...good), fc.array(fc.tuple(fc.nat(400), hostileText), { minLength: 1, maxLength: 3 }))
        .map(([text, put]) =>
          put.reduce(
            (bytes, [at, what]) =>
              Buffer.concat([
                bytes.subarray(0, at % bytes.length),
                Buffer.from(what),
                bytes.subarray(at % bytes.length),
              ]),
            Buffer.from(text),
          ),
        ),
    },
    { weight: 2, arbitrary: fc.constantFrom(...tricks).map((text) => Buffer.from(text, 'latin1')) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
  );
}
