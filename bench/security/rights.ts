import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { TokenFile } from '../../api/identity/token-file';
import type { Proofs } from '../../api/identity/identify';
import type { Role } from '../../domain/roles';
import { openRoutes, promised, type PromisedRoute } from './api-routes';
import { REGULATED, SERVICES } from './configured';
import { Site } from './site';
import { admitted, crash, surface, type Harm, type SurfacePlan } from './surface';
import { rawRequest, sendRaw } from './wire';

/** Somebody who asks, as far as it matters what they may do. */
interface Person {
  readonly name: string;
  readonly token: string | null;
  readonly roles: readonly Role[];
  /** Null: every service. */
  readonly services: readonly string[] | null;
  /** A program: only these metrics, and nothing else. */
  readonly metrics: readonly string[] | null;
  /** Nobody is known: no token, an unknown one, one that is over. */
  readonly known: boolean;
}

interface Attempt {
  readonly person: Person;
  readonly route: PromisedRoute;
  readonly service: (typeof SERVICES)[number];
}

const roles: readonly Role[] = ['viewer', 'releaser', 'operator', 'breaker-clearer', 'admin'];
const nobody = { roles: [], services: null, metrics: null, known: false } as const;
const secret = (): string => `lg_${randomBytes(32).toString('base64url')}`;

function everybody(): Person[] {
  const person = (name: string, more: Partial<Person>): Person => ({
    name,
    token: secret(),
    roles: [],
    services: null,
    metrics: null,
    known: true,
    ...more,
  });
  return [
    ...roles.map((role) => person(role, { roles: [role] })),
    person('two-roles', { roles: ['viewer', 'releaser'] }),
    person('of-chat', { roles: ['admin'], services: ['chat'] }),
    person('labels', { services: ['mail'], metrics: ['labels'] }),
    person('clicks', { services: ['mail'], metrics: ['groundedness', 'report:whylogs'] }),
    { ...nobody, name: 'no-token', token: null },
    { ...nobody, name: 'unknown', token: secret() },
    { ...nobody, name: 'expired', token: secret(), roles: ['admin'] },
    { ...nobody, name: 'the-hash', token: createHash('sha256').update('x').digest('hex') },
    { ...nobody, name: 'a-jwt', token: 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.' },
  ];
}

/** Every route with every kind of person, in services that are regulated and that are not; what is done is seen at the ports. */
export const rightsPlan: SurfacePlan = {
  name: 'rights',
  weight: 14,
  open: async () => {
    const site = await Site.open();
    const people = everybody();
    const { server, port } = await site.api({ kind: 'tcp', proofs: proofsOf(site, people) });
    refuseUnlisted(server.printRoutes({ commonPrefix: false }));
    const attempts = people.flatMap((person) =>
      [...promised, ...openRoutes].flatMap((route) => SERVICES.map((service): Attempt => ({ person, route, service }))),
    );
    let met = 0;
    return surface<Attempt>({
      name: 'rights',
      inputs: fc.constantFrom(...attempts),
      examples: attempts,
      meet: async (attempt) => {
        site.effects.length = 0;
        const { route, person, service } = attempt;
        const target = route.path.replaceAll(':service', service).replaceAll(':id', 'p-1');
        const authorization: Record<string, string> =
          person.token === null ? {} : { authorization: `Bearer ${person.token}` };
        const body = route.body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(route.body));
        const { status, text } = await sendRaw(
          { port, from: addressOf(met++) },
          rawRequest({
            method: route.method,
            target,
            headers: { 'content-type': 'application/json', ...authorization },
            body,
          }),
        );
        if (status === null || status >= 500)
          return crash(
            `${nameOf(attempt)}: answered ${status ?? 'nothing'}: ${text.slice(-300)} ${site.errors.splice(0).join(' ')}`,
          );
        if (status === 429) return crash(`${nameOf(attempt)}: the limit of requests was met, and nothing was tried`);
        return judgedRight(attempt, status, site.effects);
      },
      close: () => site.close(),
    });
  },
};

/** Loopback has sixteen million addresses: whoever tries too often from one of them is not heard any more. */
function addressOf(number: number): string {
  return `127.1.${(number >> 8) % 250}.${(number % 250) + 1}`;
}

function judgedRight(attempt: Attempt, status: number, effects: readonly string[]): Harm | null {
  const { route, person, service } = attempt;
  if (openRoutes.includes(route))
    return effects.length > 0 ? admitted(`${nameOf(attempt)} changed ${effects.join(', ')}`) : null;
  const may = mayDo(attempt);
  if (!may && (status < 400 || effects.length > 0))
    return admitted(`${nameOf(attempt)}: answered ${status}, done: ${effects.join(', ') || 'nothing'}`);
  // Another refusal would only say that nothing was there to do: asked at another time, it would be done.
  const isForeign = person.services !== null && !person.services.includes(service);
  const hidden = status === 404 && (isForeign || route.absent === true);
  if (!may && status !== 401 && status !== 403 && !hidden)
    return admitted(`${nameOf(attempt)}: has no right to it, and was answered ${status} as if it had`);
  if (may && (status === 401 || status === 403))
    return crash(`${nameOf(attempt)}: has the right to it, and was answered ${status}`);
  // One person alone: the proposal is on record, and nothing else happened.
  const acted = effects.filter((effect) => effect !== 'ledger.append');
  if (may && route.twoPeople === true && service === REGULATED && acted.length > 0)
    return admitted(`${nameOf(attempt)}: one person did what needs two (${acted.join(', ')}), answered ${status}`);
  return person.known || effects.length === 0
    ? null
    : admitted(`${nameOf(attempt)}: nobody is known, done: ${effects.join(', ')}`);
}

function mayDo({ route, person, service }: Attempt): boolean {
  const { path } = route;
  if (!person.known) return false;
  const named = path.includes(':service') ? service : path.includes('service=mail') ? 'mail' : null;
  if (person.metrics !== null)
    return (
      route.metric !== undefined &&
      person.metrics.includes(route.metric) &&
      (person.services?.includes(service) ?? false)
    );
  if (named !== null && path.includes(':service') && person.services !== null && !person.services.includes(named))
    return false;
  if (route.everyService === true && person.services !== null) return false;
  // By token over a port nobody is the local user.
  if (route.localOnly === true || route.signed === true) return false;
  // What was proposed decides the right; here nothing waits, and everybody who is somebody is told so.
  if (path.includes('/proposals/')) return person.roles.length > 0;
  return person.roles.includes('admin') || person.roles.some((role) => route.roles.includes(role));
}

function proofsOf(site: Site, people: readonly Person[]): Proofs {
  const file = join(site.directory, 'tokens.yaml');
  const entries = people.flatMap<object>(({ name, token, roles: held, services, metrics, known }) => {
    if (token === null || (!known && name !== 'expired')) return [];
    const entry = {
      name,
      sha256: createHash('sha256').update(token).digest('hex'),
      expires: known ? '2100-01-01T00:00:00Z' : '2020-01-01T00:00:00Z',
    };
    if (metrics !== null) return [{ ...entry, observes: { service: services?.[0], metrics } }];
    return [{ ...entry, roles: held, ...(services === null ? {} : { services }) }];
  });
  writeFileSync(file, JSON.stringify({ tokens: entries }));
  const tokenFile = new TokenFile(file, () => undefined);
  return { token: secret(), tokenFile, oidc: null, certificates: [] };
}

/** A route that nobody has written down here would be tried by nobody. @throws Error that names it */
function refuseUnlisted(printed: string): void {
  const listed = new Set(
    [...promised, ...openRoutes].map(({ path }) =>
      (path.split('?')[0] ?? '')
        .replace(/\/acts\/.*$/, '/acts')
        .replace(/\/reports\/.*$/, '/reports')
        .replace(/\/lists\/.*$/, '/lists')
        .replace(/:[a-z]+/g, ':'),
    ),
  );
  const known = (path: string): boolean =>
    listed.has(
      path
        .replace(/\/acts\/:.*$/, '/acts')
        .replace(/\/reports\/:.*$/, '/reports')
        .replace(/\/lists\/:.*$/, '/lists')
        .replace(/:[a-zA-Z]+/g, ':'),
    );
  for (const path of pathsIn(printed))
    if (!known(path)) throw new Error(`bench/security/api-routes.ts does not have ${path}: write down who may`);
}

/** Fastify prints a tree; without common prefixes each line is a part of a path behind its parent. */
function pathsIn(printed: string): string[] {
  const parents: string[] = [];
  const found: string[] = [];
  for (const line of printed.split('\n')) {
    const match = /^((?:[│ ] {3})*)(?:├──|└──) (\S+)(?: \((.*)\))?/.exec(line);
    if (!match) continue;
    const depth = (match[1] ?? '').length / 4;
    parents.length = depth;
    parents.push(match[2] ?? '');
    if (match[3] !== undefined) found.push(parents.join('').replace(/\/+/g, '/'));
  }
  return found;
}

function nameOf({ person, route, service }: Attempt): string {
  return `${person.name} ${route.method} ${route.path.replaceAll(':service', service)}`;
}
