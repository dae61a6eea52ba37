/**
 * What goes where: which router passes which protocol where a version is named in which way. The one source of the table
 * in docs/what-goes-where.md, of what `lastgood validate` refuses, and of the sentences that a refused client reads.
 */
export const routers = ['gateway', 'haproxy'] as const;
export const protocols = ['http-json', 'event-stream', 'http2', 'grpc', 'websocket'] as const;
export const namings = ['address', 'path', 'model', 'header'] as const;

export type Router = (typeof routers)[number];
/**
 * What clients speak to the router. `http-json`: HTTP/1.1 requests and answers; `event-stream`: HTTP/1.1 with answers as
 * server-sent events; `http2`: HTTP/2 from the client to the router; `grpc`: HTTP/2 with trailers, all the way.
 */
export type Protocol = (typeof protocols)[number];
/** `address`: each version has one of its own. The others: several versions at one, see `VersionSelector`. */
export type Naming = (typeof namings)[number];

/** `yes`, or the sentence that says why not and what to do instead. */
type Support = 'yes' | { readonly no: string };

const YES: Record<Naming, Support> = { address: 'yes', path: 'yes', model: 'yes', header: 'yes' };

const no = (sentence: string): Support => ({ no: sentence });
const everywhere = (sentence: string): Record<Naming, Support> => {
  const refused = no(sentence);
  return { address: refused, path: refused, model: refused, header: refused };
};

const BODY = no(
  'HAProxy writes no bodies, so it cannot name a version in the JSON field model: use the gateway (router.kind: gateway)',
);
const BODY_HTTP2 = no(
  'the JSON field model is written by the gateway alone, which speaks HTTP/1.1 only: let clients speak HTTP/1.1 to the gateway',
);
const GRPC_PATH = no(
  'versions inside one Triton over gRPC are refused: gRPC names the version inside its message, which no router here writes; give each version an address of its own behind HAProxy, or use HTTP/1.1',
);
const GRPC_OTHER = no(
  'gRPC passes only where each version has an address of its own, behind HAProxy (router.kind: haproxy): nothing here writes into its messages or metadata',
);

const TABLE: Record<Router, Record<Protocol, Record<Naming, Support>>> = {
  gateway: {
    'http-json': YES,
    'event-stream': YES,
    http2: {
      ...everywhere('the gateway speaks HTTP/1.1 only: for HTTP/2 use HAProxy as the router (router.kind: haproxy)'),
      model: BODY_HTTP2,
    },
    grpc: {
      address: no(
        'gRPC needs HTTP/2, and the gateway speaks HTTP/1.1 only: use HAProxy as the router (router.kind: haproxy), with an address of its own for each version',
      ),
      path: GRPC_PATH,
      model: GRPC_OTHER,
      header: GRPC_OTHER,
    },
    websocket: {
      ...everywhere(
        'the gateway passes no WebSocket, for a connection that stays open has no version that could change: use HAProxy as the router (router.kind: haproxy)',
      ),
      model: no(
        'a WebSocket has no JSON body that could name a version: give each version an address of its own, behind HAProxy',
      ),
    },
  },
  haproxy: {
    'http-json': { ...YES, model: BODY },
    'event-stream': { ...YES, model: BODY },
    http2: { ...YES, model: BODY_HTTP2 },
    grpc: { address: 'yes', path: GRPC_PATH, model: GRPC_OTHER, header: GRPC_OTHER },
    websocket: {
      ...YES,
      model: no('a WebSocket has no JSON body that could name a version: give each version an address of its own'),
    },
  },
};

/** Null where it passes; else the sentence that says why not and what to do instead. */
export function refusalOf(router: Router, protocol: Protocol, naming: Naming): string | null {
  const support = TABLE[router][protocol][naming];
  return support === 'yes' ? null : support.no;
}
