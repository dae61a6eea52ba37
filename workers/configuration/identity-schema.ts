import { z } from 'zod';
import { roles } from '../../domain/roles';
import { httpUrl, path } from './fields';

const held = z.array(z.enum(roles)).min(1);
const service = z.string().min(1).max(64);

/** Who may speak to the controller beside the user whose processes these are; absent: nobody else. */
export const identitySchema = z
  .strictObject({
    /** Hashed tokens of people and programs; `lastgood token make` writes an entry. */
    tokensFile: path.optional(),
    /** Private key that signs acts; default `acts.key` in the data directory. Controllers of one site share it. */
    actKeyFile: path.optional(),
    oidc: z
      .strictObject({
        issuer: httpUrl,
        audience: z.string().min(1).max(256),
        /** The issuer's public keys (JWKS): its address, or a file for a site without a way to it. */
        keysUrl: httpUrl.optional(),
        keysFile: path.optional(),
        nameClaim: z.string().min(1).max(128).prefault('preferred_username'),
        rolesClaim: z.string().min(1).max(128).prefault('groups'),
        /** By group of the issuer: the roles here. */
        roles: z.record(z.string().min(1).max(256), held),
      })
      .refine(({ keysUrl, keysFile }) => (keysUrl === undefined) !== (keysFile === undefined), {
        message: 'one of keysUrl and keysFile',
      })
      .optional(),
    /** By common name of a client certificate that `api.tls.clientCaFile` signed. */
    certificates: z
      .record(z.string().min(1).max(128), z.strictObject({ roles: held, services: z.array(service).min(1).optional() }))
      .prefault({}),
  })
  .prefault({});

export type IdentityText = z.output<typeof identitySchema>;
