import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Fastify from 'fastify';
import type { z } from 'zod';
import { interfaceDocument } from '../../api/openapi/interface-document';
import { routesOf } from '../../api/openapi/document';
import * as answers from '../../api/openapi/answers';
import { apiClient, type ApiClient } from '../../cli/api-client';
import { listen } from '../../cli/event-client';
import { messageNames, parseMessage } from '../../workflows/contract/messages';
import { createApiServer } from '../../api/server';
import { apiPorts } from '../support/api-ports';

const root = join(__dirname, '../..');
const file = join(root, 'docs/openapi.json');

interface Described {
  readonly summary: string;
  readonly description: string;
  readonly operationId: string;
  readonly 'x-lastgood-right': string | null;
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object }> };
  readonly responses: Readonly<Record<string, { readonly $ref?: string; readonly content?: object }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
}

let document: Document;
beforeAll(async () => {
  document = (await interfaceDocument()) as Document;
});

const described = (): (Described & { readonly name: string })[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => ({ ...one, name: `${method} ${path}` })),
  );

it('is the one in docs/, which `node dist/api/openapi/write-document.js docs/openapi.json` writes', () => {
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(document);
});

it('is an OpenAPI 3.1 document, by the schema of the specification', () => {
  const cli = join(root, 'node_modules/@seriousme/openapi-schema-validator/bin/validate-api-cli.js');
  expect(JSON.parse(execFileSync(process.execPath, [cli, file], { encoding: 'utf8' }))).toMatchObject({ valid: true });
});

it('has every route of the server, with its right, what it takes, what it answers and the form of a problem', () => {
  const operationIds = described().map(({ operationId }) => operationId);
  expect(new Set(operationIds).size).toBe(operationIds.length);
  for (const one of described()) {
    expect([one.name, one.responses['default']?.$ref]).toEqual([one.name, '#/components/responses/Problem']);
    expect(Object.keys(one.responses).filter((status) => status !== 'default').length).toBeGreaterThan(0);
    if (one.name.startsWith('post ')) expect([one.name, one.requestBody !== undefined]).toEqual([one.name, true]);
  }
  const rights = Object.fromEntries(described().map((one) => [one.name, one['x-lastgood-right']]));
  expect(rights).toMatchObject({
    'get /v1/services/{service}': 'look',
    'post /v1/services/{service}/acts/clearBreaker': 'clearBreaker',
    'post /v1/services/{service}/prunings': 'prune',
    'get /v1/health': 'open',
    'get /v1/me': null,
  });
  const words = described().find(({ name }) => name.endsWith('/acts/deploy'))?.description;
  expect(words).toBe(`Needs the right deploy (releaser, admin).`);
});

it('has no room for a route that nobody described', async () => {
  const app = Fastify();
  routesOf(app as never);
  expect(() => app.get('/v1/forgotten', () => '')).toThrow('GET /v1/forgotten is not described');
  await app.ready();
});

it('takes of an act what the act takes, and neither an actor nor a signature', () => {
  for (const act of messageNames.filter((name) => name !== 'configure')) {
    const path = document.paths[`/v1/services/{service}/acts/${act}`];
    const schema = path?.['post']?.requestBody?.content['application/json']?.schema as {
      properties: Record<string, unknown>;
      required: string[];
    };
    expect(schema.required).toContain('reason');
    for (const name of ['actor', 'second', 'signature']) expect(Object.keys(schema.properties)).not.toContain(name);
    // What is required there is all that the contract misses in an empty message, but for the request id.
    const parsed = parseMessage(act, {});
    const missing = parsed.ok ? [] : parsed.problem.split('; ').map((line) => line.split(':')[0]);
    expect(new Set(['requestId', ...schema.required])).toEqual(new Set(missing));
  }
});

it('fits what the server really answers', async () => {
  const ports = apiPorts({
    decisions: { status: () => Promise.reject(new Error('away')) },
    router: { read: () => Promise.reject(new Error('away')), entrance: () => Promise.reject(new Error('away')) },
  });
  await ports.ledger.append({
    ...{ service: 'mail', key: 'k', at: 1, kind: 'configured', incident: null, summary: 's', facts: {} },
    actor: { name: 'ada', proof: 'token', from: 'x' },
  });
  const server = createApiServer(ports, { door: { kind: 'socket', user: 'ada' }, tls: null, onError: () => undefined });
  const check = async (url: string, schema: z.ZodType): Promise<void> => {
    const result = schema.safeParse((await server.inject({ url })).json());
    expect([url, result.error?.issues ?? []]).toEqual([url, []]);
  };
  await check('/v1/health', answers.health);
  await check('/v1/me', answers.me);
  await check('/v1/services/mail', answers.serviceView);
  await check('/v1/services/mail/ledger', answers.ledgerPage);
  await check('/v1/services/mail/ledger/verification', answers.verification);
  await check('/v1/services/spam', answers.problem);
  await server.close();
});

it('has a route for everything that the command line asks a controller for', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method ?? ''} ${new URL(request.url ?? '', 'http://x').pathname}`);
    response.end('{}');
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const target = { kind: 'url', url, token: 't' } as const;
  const client = apiClient({ configFile: '', dataDir: null, services: [], target });
  const acts = messageNames.filter((name) => name !== 'configure').map((act) => ['mail', act, {}]);
  const several: Partial<Record<keyof ApiClient, readonly unknown[][]>> = {
    act: acts,
    plan: acts,
    tellItems: [
      ['mail', 'i', 'sign-off', {}],
      ['mail', 'i', 'orders', {}],
    ],
    changeDrillSchedule: [
      ['mail', 'set', {}],
      ['mail', 'pause', {}],
      ['mail', 'remove', {}],
    ],
    second: [['p-1', 'r']],
    answersAt: [['mail', 1]],
  };
  for (const [name, call] of Object.entries(client) as [keyof ApiClient, (...given: unknown[]) => Promise<unknown>][]) {
    const before = asked.length;
    for (const given of several[name] ?? [['mail', 'i', 'd']]) await call(...given);
    expect([name, asked.length > before]).toEqual([name, true]);
  }
  await listen({ configFile: '', dataDir: null, services: [], target }, '/v1/services/mail/events', {
    ...{ after: null, signal: AbortSignal.timeout(5_000), onEvent: () => undefined },
  });
  server.close();
  const routes = described().map(({ name }) => new RegExp(`^${name.replaceAll(/\{\w+\}/g, '[^/]+')}$`, 'i'));
  expect(asked.length).toBeGreaterThan(30);
  expect(asked.filter((one) => !routes.some((route) => route.test(one)))).toEqual([]);
  // And those are all of its calls: no command speaks to a controller past the client.
  const commands = readdirSync(join(root, 'cli/commands')).map((name) => `cli/commands/${name}`);
  const past = commands.filter((each) => /['"`]\/v1\/(?!models)/.test(readFileSync(join(root, each), 'utf8')));
  expect(past).toEqual(['cli/commands/watch.ts']);
});
