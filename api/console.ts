import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyHelmetOptions } from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';
import { unavailable } from './problem';

/** What the build makes; nothing else is ever read, whatever a path says. */
const files = {
  'index.html': 'text/html; charset=utf-8',
  'console.js': 'text/javascript; charset=utf-8',
  'console.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml; charset=utf-8',
} as const;

/** Everything from here; kept pictures of incidents are shown as images that the page itself made of an answer. */
const pageHeaders: FastifyHelmetOptions = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      connectSrc: ["'self'"],
      imgSrc: ["'self'", 'blob:'],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
      requireTrustedTypesFor: ["'script'"],
      trustedTypes: ["'none'"],
    },
  },
  crossOriginResourcePolicy: { policy: 'same-origin' },
  referrerPolicy: { policy: 'no-referrer' },
};

/**
 * The operator's page: the same files for everybody, without a word about any service, so that a browser can ask for a
 * token. `directory` is where the build put them.
 */
export function registerConsole(app: FastifyInstance, directory: string): void {
  const built = readBuilt(directory);
  app.get('/', { config: { needs: 'page' } }, (_request, reply) => reply.redirect('/console/'));
  app.get('/console', { config: { needs: 'page' } }, (_request, reply) => reply.redirect('/console/'));
  for (const [name, type] of Object.entries(files)) {
    const path = `/console/${name === 'index.html' ? '' : name}`;
    app.get(path, { config: { needs: 'page' }, helmet: pageHeaders }, (request, reply) => {
      const file = built?.get(name);
      if (!file) throw unavailable('the console was not built with this installation: run npm run build');
      void reply.header('etag', file.etag).header('cache-control', 'no-cache').type(type);
      return request.headers['if-none-match'] === file.etag ? reply.code(304).send() : reply.send(file.content);
    });
  }
}

type Built = ReadonlyMap<string, { readonly content: Buffer; readonly etag: string }>;

/** Null where a file is missing: half a page is none. */
function readBuilt(directory: string): Built | null {
  try {
    return new Map(
      Object.keys(files).map((name) => {
        const content = readFileSync(join(directory, name));
        return [name, { content, etag: `"${createHash('sha256').update(content).digest('hex').slice(0, 32)}"` }];
      }),
    );
  } catch {
    return null;
  }
}
