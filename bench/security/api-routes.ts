import type { Role } from '../../domain/roles';

/** One route as the documents promise it (docs/security.md, "Roles"), written down again: the code is not asked what it allows. */
export interface PromisedRoute {
  readonly method: 'GET' | 'POST';
  /** `:service` and other places as in the interface. */
  readonly path: string;
  /** Roles that may; `admin` may everything. */
  readonly roles: readonly Role[];
  /** A token that is bound to metrics of this service may, when it is bound to this one. */
  readonly metric?: string;
  /** Only the user of these processes, whatever the role. */
  readonly localOnly?: boolean;
  /** Where a service is regulated, one person alone changes nothing by it. */
  readonly twoPeople?: boolean;
  /** Of every service: not for who has the right to some. */
  readonly everyService?: boolean;
  /** Only by a signature over the message: no token opens it, whatever its role. */
  readonly signed?: boolean;
  /** It is not there, for anybody: 404 says nothing of a right. */
  readonly absent?: boolean;
  /** One body that is done, where the route has one. */
  readonly body?: unknown;
}

const people: readonly Role[] = ['viewer', 'releaser', 'operator', 'breaker-clearer'];
const s = '/v1/services/:service';

function act(name: string, roles: readonly Role[], body: object, twoPeople = false): PromisedRoute {
  return { method: 'POST', path: `${s}/acts/${name}`, roles, body: { reason: 'r', ...body }, twoPeople };
}

function look(path: string): PromisedRoute {
  return { method: 'GET', path, roles: people };
}

const moment = '2026-01-01T00:00:00Z';
const digest = `sha256:${'0'.repeat(64)}`;
const drill = { way: 'mirror', version: '1.1', degrade: { wrongShare: 0.5 }, share: 0.5, forMs: 60_000 };

export const promised: readonly PromisedRoute[] = [
  act('rollback', ['operator'], { to: '1.0' }),
  act('deploy', ['releaser'], { version: '1.1', after: true }),
  act('drill', ['operator'], drill),
  act('clearBreaker', ['breaker-clearer'], { breakerEpoch: 0 }, true),
  act('approve', ['operator'], { incident: 'i-1', decision: 'approve' }),
  act('intervene', ['operator'], { incident: 'i-1', action: 'choose', target: '1.0' }),
  act('cancel', ['releaser', 'operator'], { incident: 'i-1' }),
  act('pause', ['releaser', 'operator'], { forMs: 60_000 }),
  act('resume', ['operator'], {}),
  act('vouch', ['operator'], { version: '1.1' }),
  act('revoke', ['operator'], { version: '1.0' }, true),
  act('clearQuarantine', ['breaker-clearer'], { version: '1.0' }, true),
  act('setMode', ['operator'], { mode: 'observe', dryRun: false }),
  { ...act('configure', [], { policy: {}, rules: 1 }), absent: true },
  act('detach', [], { force: true }, true),
  {
    method: 'POST',
    path: `${s}/webhooks/rollback`,
    roles: [],
    signed: true,
    body: { type: 'rollback', reason: 'r', to: '1.0' },
  },
  look('/v1/services'),
  look(s),
  look(`${s}/ledger?after=0&incident=i-1&kinds=settled,configured&until=9&limit=10&newestFirst=1`),
  look(`${s}/ledger/verification`),
  // Behind every ledger's end: who may is told so, where a stream would not end.
  look(`${s}/events?after=999999`),
  look(`${s}/charts?span=900000`),
  look(`${s}/provenance?at=1&version=1.0&reason=primary`),
  look(`${s}/versions/:id/proof`),
  look(`${s}/attachment`),
  { method: 'POST', path: `${s}/attachment`, roles: [], body: { requestId: 'x', reason: 'r' } },
  look(`${s}/restoration`),
  {
    method: 'POST',
    path: `${s}/restoration/acceptance`,
    roles: ['operator'],
    body: { requestId: 'x', reason: 'r', seen: '0'.repeat(64), mode: 'observe' },
  },
  { method: 'GET', path: '/v1/backup', roles: [], localOnly: true, everyService: true },
  { method: 'GET', path: '/v1/backup/chains/:id?after=0&until=9', roles: [], localOnly: true, everyService: true },
  look('/v1/incidents?service=mail&limit=5'),
  look('/v1/answers/:id'),
  look(`${s}/answers?at=1`),
  look(`${s}/versions`),
  look('/v1/proposals'),
  look(`${s}/items`),
  look(`${s}/items/:id`),
  { method: 'GET', path: `${s}/items/:id/lists/${digest}`, roles: ['operator'] },
  {
    method: 'POST',
    path: `${s}/items/:id/sign-off`,
    roles: ['operator'],
    body: { reason: 'r', pipeline: 'p', requestId: 'x' },
  },
  {
    method: 'POST',
    path: `${s}/items/:id/orders`,
    roles: ['operator'],
    body: { pipeline: 'p', order: 'retry', reason: 'r' },
  },
  look(`${s}/drills/schedule`),
  {
    method: 'POST',
    path: `${s}/drills/schedule`,
    roles: ['operator'],
    body: { reason: 'r', everyMs: 3_600_000, request: drill },
  },
  { method: 'POST', path: `${s}/drills/schedule/pause`, roles: ['operator'], body: { reason: 'r', paused: true } },
  { method: 'POST', path: `${s}/drills/schedule/remove`, roles: ['operator'], body: { reason: 'r' } },
  look(`${s}/incidents/:id/chart?digest=sha256:00`),
  look(`${s}/caches`),
  {
    method: 'POST',
    path: `${s}/caches/invalidations`,
    roles: ['operator'],
    body: { reason: 'r', cache: 'c', atMs: 1, requestId: 'x' },
  },
  {
    method: 'POST',
    path: `${s}/chaos`,
    roles: ['operator'],
    localOnly: true,
    body: {
      run: 'r-1',
      phase: 'began',
      experiment: 'e',
      atMs: 1,
      reason: 'r',
      summary: 's',
      consent: 'mail',
      facts: { a: 1 },
    },
  },
  {
    method: 'POST',
    path: `${s}/feedback`,
    roles: ['operator'],
    metric: 'labels',
    body: { items: [{ requestId: 'r', label: 'spam', observedAt: moment, source: 'desk' }] },
  },
  {
    method: 'POST',
    path: `${s}/observations`,
    roles: ['operator'],
    metric: 'groundedness',
    body: { key: 'k', items: [{ metric: 'groundedness', value: 1, at: moment, n: 3 }] },
  },
  {
    method: 'POST',
    path: `${s}/reports/evidently?at=${moment}`,
    roles: ['operator'],
    metric: 'report:evidently',
    body: {
      metrics: [
        {
          metric_name: 'ValueDrift',
          config: { type: 'evidently:metric_v2:ValueDrift', column: 'age', method: 'K-S p_value' },
          value: 0.4,
        },
      ],
    },
  },
  {
    method: 'POST',
    path: `${s}/reports/whylogs?at=${moment}`,
    roles: ['operator'],
    metric: 'report:whylogs',
    body: { columns: { age: { drift: { algorithm: 'ks', pvalue: 0.3 } } } },
  },
  {
    method: 'POST',
    path: `${s}/alertmanager`,
    roles: ['operator'],
    metric: 'alertmanager',
    body: { version: '4', alerts: [{ status: 'firing' }] },
  },
  {
    method: 'POST',
    path: '/v1/artifacts/import',
    roles: ['releaser'],
    localOnly: true,
    everyService: true,
    body: { path: '/nowhere/lastgood' },
  },
  {
    method: 'POST',
    path: `${s}/prunings`,
    roles: [],
    localOnly: true,
    body: { requestId: 'r', atMs: 1, keep: 3, reason: 'r', versions: [{ version: '1.0', digest }] },
  },
  {
    method: 'POST',
    path: '/v1/blind',
    roles: [],
    localOnly: true,
    everyService: true,
    body: { fromMs: 1, toMs: 2, why: 'w' },
  },
  {
    method: 'POST',
    path: '/v1/proposals/:id/second',
    roles: ['operator', 'breaker-clearer'],
    absent: true,
    body: { reason: 'r' },
  },
];

/** What nobody needs a right for; it changes nothing. */
export const openRoutes: readonly PromisedRoute[] = [
  { method: 'GET', path: '/v1/health', roles: [] },
  { method: 'GET', path: '/metrics', roles: [] },
  { method: 'GET', path: '/v1/me', roles: [] },
  { method: 'GET', path: '/v1/openapi.json', roles: [] },
];
