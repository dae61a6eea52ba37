import { z } from 'zod';
import type { FastifyInstance } from 'fastify';
import { rolesWith } from '../../domain/roles';
import { messageNames, messageSchemas } from '../../workflows/contract/messages';
import type { Needs } from '../rights';
import * as answers from './answers';
import { operations, type Operation } from './operations';

type Json = Record<string, unknown>;

export interface Route {
  readonly method: string;
  /** With `:name` for a part that varies. */
  readonly url: string;
  readonly needs: Needs;
}

/** The routes of `app` from now on. One that no operation describes does not start. */
export function routesOf(app: FastifyInstance): readonly Route[] {
  const routes: Route[] = [];
  app.addHook('onRoute', ({ method, url, config }) => {
    // Answered by the route of GET; nothing of its own.
    if (method === 'HEAD' || config?.needs === 'page') return;
    const name = `${String(method)} ${url}`;
    if (!(name in operations)) throw new Error(`${name} is not described in api/openapi/operations.ts`);
    routes.push({ method: String(method), url, needs: config?.needs ?? 'open' });
  });
  return routes;
}

/** The OpenAPI 3.1 document of the interface. */
export function openApiDocument(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const operation = operations[`${route.method} ${route.url}`];
    if (operation === undefined) throw new Error(`${route.method} ${route.url} is not described`);
    for (const [path, described] of pathsOf(route, operation)) {
      paths[path] = { ...paths[path], [route.method.toLowerCase()]: described };
    }
  }
  const sorted = Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    openapi: '3.1.0',
    info: {
      title: 'lastgood controller',
      version: '1',
      description:
        'Times are milliseconds since the epoch. Every problem is application/problem+json. What is not listed in an answer may be there as well.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }, { certificate: [] }],
    paths: sorted,
    components: {
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'of the data directory, of a person or program, or OIDC',
        },
        certificate: { type: 'mutualTLS' },
      },
      schemas: Object.fromEntries(Object.values(answers).map((schema) => [namesOf.get(schema), schemaOf(schema)])),
      responses: {
        Problem: {
          description: 'What was found, what was expected, what to do',
          content: { 'application/problem+json': { schema: referenceOf(answers.problem) } },
        },
      },
    },
  };
}

/** One path a route; the acts have one each, for each takes its own message. */
function pathsOf(route: Route, operation: Operation): (readonly [path: string, operation: Json])[] {
  const path = route.url.replace(/:(\w+)/g, '{$1}');
  const { body, ...rest } = operation;
  if (body !== 'acts') {
    const schema = body === undefined ? null : body === 'any' ? {} : schemaOf(body);
    return [[path, operationOf(route, rest, path, schema, rightOf(route.needs, {}))]];
  }
  return messageNames.flatMap((act) => {
    if (act === 'configure') return [];
    const own = path.replace('{act}', act);
    const named = { ...rest, summary: `${rest.summary}: ${act}` };
    // The interface knows who asks, and signs.
    const message = (messageSchemas[act] as z.ZodObject).omit({ actor: true, second: true, signature: true });
    const asked = message.partial({ requestId: true });
    return [[own, operationOf(route, named, own, schemaOf(asked), rightOf(route.needs, { act }))]] as const;
  });
}

function operationOf(
  route: Route,
  { summary, query, headers, answers: answered, local }: Omit<Operation, 'body'>,
  path: string,
  body: Json | null,
  right: Known,
): Json {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    ...{ name, in: 'path', required: true, schema: { type: 'string' } },
  }));
  const parameters = [...inPath, ...parametersOf(query, 'query'), ...parametersOf(headers, 'header')];
  const statuses = Object.entries(answered).map(([status, [description, content]]) => [
    status,
    { description, content: contentOf(content) },
  ]);
  return {
    operationId: [route.method.toLowerCase(), ...path.replaceAll(/[{}]/g, '').split(/[/.]/).slice(1)].join('-'),
    summary,
    description: wordsOf(right, local === true),
    'x-lastgood-right': right,
    // Health and metrics: free where the listener has no TLS.
    ...(right === 'open' && { security: [{}, { token: [] }, { certificate: [] }] }),
    ...(right === 'signed' && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: { ...Object.fromEntries(statuses), default: { $ref: '#/components/responses/Problem' } },
  };
}

/** The right of one operation; null: none, for everybody who is somebody. */
type Known = Exclude<Needs, 'page' | ((...params: never[]) => unknown)> | null;

function rightOf(needs: Needs, params: Readonly<Record<string, string>>): Known {
  // Pages are not in the document.
  if (needs === 'page') return 'open';
  return typeof needs === 'function' ? needs(params) : needs;
}

function wordsOf(right: Known, local: boolean): string {
  const where = local ? ' Only for the local user (socket, or loopback with the token of the data directory).' : '';
  if (right === 'open') return 'Needs nothing at a listener without TLS, a proof at one with it.';
  if (right === 'signed')
    return 'Needs a signature of Standard Webhooks over the message, by a secret of the configuration.';
  if (right === null) return `For everybody who is somebody.${where}`;
  return `Needs the right ${right} (${rolesWith(right).join(', ')}).${where}`;
}

function parametersOf(schema: z.ZodObject | undefined, place: 'query' | 'header'): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema) as { properties?: Json; required?: string[] };
  return Object.entries(properties).map(([name, each]) => ({
    ...{ name, in: place, required: required.includes(name), schema: each },
  }));
}

function contentOf(content: z.ZodType | string): Json {
  if (typeof content !== 'string') return { 'application/json': { schema: referenceOf(content) } };
  return { [content]: { schema: { type: 'string' } } };
}

/** As it is sent: before a transformation, and with room for what a later release adds to answers. */
function schemaOf(schema: z.ZodType): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    ...{ io: 'input', unrepresentable: 'any' },
    override: ({ zodSchema, jsonSchema }) => {
      const own: unknown = zodSchema;
      const name = namesOf.get(own);
      if (name === undefined || own === schema) return;
      for (const key of Object.keys(jsonSchema)) delete (jsonSchema as Json)[key];
      jsonSchema.$ref = reference(name);
    },
  }) as Json;
  return rest;
}

function referenceOf(schema: z.ZodType): Json {
  const name = namesOf.get(schema);
  return name === undefined ? schemaOf(schema) : { $ref: reference(name) };
}

const reference = (name: string): string => `#/components/schemas/${name}`;

/** Answers that have a name of their own there; each stands in the document once. */
const namesOf = new Map<unknown, string>(
  Object.entries(answers).map(([name, schema]) => [schema, `${name[0]?.toUpperCase() ?? ''}${name.slice(1)}`]),
);
