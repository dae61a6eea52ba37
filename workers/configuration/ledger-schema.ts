import { resolve } from 'node:path';
import { z } from 'zod';
import type { PostgresConfiguration } from './configuration';
import { path } from './fields';

const hostName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$/, 'a host name or an address');

const connection = {
  host: hostName,
  port: z.int().min(1).max(65_535).prefault(5432),
  database: z.string().min(1).max(63),
  user: z.string().min(1).max(63),
  passwordFile: path.optional(),
  passwordEnv: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable')
    .optional(),
  /** Certificates of the server are always checked; without `caFile` against those that Node knows. */
  tls: z.strictObject({ caFile: path.optional(), serverName: hostName.optional() }).optional(),
};

const onePassword = {
  message: 'at most one of passwordFile and passwordEnv (the password itself never stands in this file)',
};
const hasOne = (given: {
  readonly passwordFile?: string | undefined;
  readonly passwordEnv?: string | undefined;
}): boolean => given.passwordFile === undefined || given.passwordEnv === undefined;

/** A database that is somebody else's, with tables that are named in full. */
export const postgresConnection = z.strictObject(connection).refine(hasOne, onePassword);

/** The ledger in PostgreSQL instead of a file of the controller. */
const postgres = z
  .strictObject({
    ...connection,
    schema: z
      .string()
      .regex(/^[a-z_][a-z0-9_]{0,62}$/, 'lower-case letters, digits and _')
      .prefault('lastgood'),
  })
  .refine(hasOne, onePassword);

/** `ledger` of the configuration. */
export const ledgerSchema = z
  .strictObject({
    /** Belongs on another disk or host than the ledger. */
    anchorFile: path.optional(),
    postgres: postgres.optional(),
  })
  .prefault({});

export function resolvePostgres(
  text: (z.output<typeof postgresConnection> & { readonly schema?: string }) | undefined,
  here: string,
): PostgresConfiguration | null {
  if (text === undefined) return null;
  const orNull = (file: string | undefined): string | null => (file === undefined ? null : resolve(here, file));
  const { host, port, database, user, passwordFile, passwordEnv, tls, schema = 'lastgood' } = text;
  const file = orNull(passwordFile);
  const password = file !== null ? { file } : passwordEnv !== undefined ? { env: passwordEnv } : null;
  return {
    host,
    port,
    database,
    user,
    password,
    tls: tls === undefined ? null : { caFile: orNull(tls.caFile), serverName: tls.serverName ?? null },
    schema,
  };
}
