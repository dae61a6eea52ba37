import { readFileSync, statSync } from 'node:fs';
import { timingSafeEqual } from 'node:crypto';
import { parse } from 'yaml';
import { z } from 'zod';
import { roles } from '../../domain/roles';
import type { Caller } from './caller';
import { digestOf } from './text';

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/, 'a name: letters, digits, . _ @ -')
  .refine(
    (given) => !['lastgood', 'unverified', 'external', 'api-token'].includes(given),
    'a name that lastgood uses itself',
  );
const service = z.string().min(1).max(64);
const holder = {
  name,
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'the SHA-256 of the token, 64 hexadecimal digits'),
  expires: z.iso.datetime({ offset: true, error: 'a time such as 2027-01-01T00:00:00Z' }),
};

/** A person or a pipeline has roles; a program that pushes values has one service and its metrics. */
const tokenFileSchema = z
  .strictObject({
    tokens: z
      .array(
        z.union([
          z.strictObject({
            ...holder,
            roles: z.array(z.enum(roles)).min(1),
            services: z.array(service).min(1).optional(),
          }),
          z.strictObject({
            ...holder,
            observes: z.strictObject({ service, metrics: z.array(z.string().min(1)).min(1) }),
          }),
        ]),
      )
      .max(1_000),
  })
  .refine(({ tokens }) => new Set(tokens.map((each) => each.sha256)).size === tokens.length, 'the same token twice');

export type TokenEntry = z.output<typeof tokenFileSchema>['tokens'][number];

/** What a token says: who it is, or why it is not accepted. */
export type TokenReading = { readonly caller: Omit<Caller, 'isLocalUser'> } | { readonly expired: string } | null;

/** @throws Error that names the file and the place in it. */
export function readTokenFile(file: string): TokenEntry[] {
  const parsed = tokenFileSchema.safeParse(yamlIn(file));
  if (parsed.success) return parsed.data.tokens;
  const [issue] = parsed.error.issues;
  throw new Error(`${file}: ${issue?.path.join('.') || '(file)'}: ${issue?.message ?? 'cannot be read'}`);
}

/** The parser's own errors quote the lines around a fault, and do not name the file. */
function yamlIn(file: string): unknown {
  const text = readFileSync(file, 'utf8');
  try {
    return parse(text, { schema: 'core', maxAliasCount: 0, logLevel: 'error' });
  } catch (error) {
    throw new Error(`${file}: not YAML: ${(error as Error).message.split('\n')[0] ?? ''}`, { cause: error });
  }
}

/**
 * The tokens of one file, of which only hashes are kept. It is looked at again when it has changed, so that a token is
 * taken away without a restart; a file that has become unreadable lets nobody in and says why.
 */
export class TokenFile {
  private tokens: readonly TokenEntry[];
  private seen: string;
  private unreadable: string | null = null;

  /** @throws Error where the file cannot be read at the start. */
  constructor(
    private readonly file: string,
    private readonly onUnreadable: (why: string) => void,
  ) {
    this.seen = stamp(file);
    this.tokens = readTokenFile(file);
  }

  read(token: string, from: string, now: number): TokenReading {
    this.look();
    const digest = digestOf(token);
    // Every entry is compared, so that the time says nothing about which one it was.
    const found = this.tokens.filter(({ sha256 }) => timingSafeEqual(Buffer.from(sha256, 'hex'), digest))[0];
    if (!found) return null;
    if (Date.parse(found.expires) <= now) return { expired: `the token of ${found.name} expired at ${found.expires}` };
    const actor = { name: found.name, proof: 'token', from } as const;
    if ('observes' in found) {
      const { service, metrics } = found.observes;
      return { caller: { actor, roles: [], services: [service], metrics } };
    }
    return { caller: { actor, roles: found.roles, services: found.services ?? null, metrics: null } };
  }

  private look(): void {
    try {
      const now = stamp(this.file);
      if (now === this.seen && this.unreadable === null) return;
      this.tokens = readTokenFile(this.file);
      this.seen = now;
      this.unreadable = null;
    } catch (error) {
      const why = (error as Error).message;
      if (why !== this.unreadable) this.onUnreadable(why);
      this.unreadable = why;
      this.tokens = [];
    }
  }
}

function stamp(file: string): string {
  const { mtimeMs, size, ino } = statSync(file);
  return `${mtimeMs}/${size}/${ino}`;
}
