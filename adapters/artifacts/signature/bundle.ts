import { verify } from 'node:crypto';
import { z } from 'zod';
import { JsonRefused, parseStrictJson } from '../strict-json';
import type { SigningKey } from './keys';

const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PREDICATE_TYPE = 'https://model_signing/signature/v1.0';
const MEDIA_TYPE = /^application\/vnd\.dev\.sigstore\.bundle(\.v0\.\d+)?\+json(;version=0\.\d+)?$/;

const base64 = z.base64();
// Other tools may add fields; what is read of them is checked, the rest decides nothing.
const bundleSchema = z.object({
  mediaType: z.string().regex(MEDIA_TYPE, 'a Sigstore bundle'),
  verificationMaterial: z.record(z.string(), z.unknown()),
  dsseEnvelope: z.object({
    payload: base64,
    payloadType: z.literal(PAYLOAD_TYPE),
    // Sigstore's bundle has exactly one; a second one would be verified by one tool and not by another.
    signatures: z.array(z.object({ sig: base64 })).length(1, 'exactly one signature'),
  }),
});

const digest = z.string().regex(/^([0-9a-f]{2})+$/, 'a digest in hex');
const resource = z.object({ name: z.string().min(1), algorithm: z.string().min(1), digest });
const statementSchema = z.object({
  _type: z.literal(STATEMENT_TYPE),
  subject: z
    .array(z.object({ name: z.string(), digest: z.object({ sha256: digest }) }))
    .length(1, 'exactly one subject'),
  predicateType: z.literal(PREDICATE_TYPE, `predicate type ${PREDICATE_TYPE}`),
  predicate: z.object({
    serialization: z.object({ method: z.enum(['files', 'shards']), hash_type: z.string() }),
    resources: z.array(resource).min(1).max(100_000),
  }),
});
export type Resource = z.infer<typeof resource>;

export interface SignedStatement {
  readonly by: SigningKey;
  readonly method: 'files' | 'shards';
  readonly resources: readonly Resource[];
  /** SHA-256, in hex, over the digests of the resources, in their order. */
  readonly rootDigest: string;
}

/** What is wrong with a signature, in words that stand in an artifact's problem. */
export interface SignatureProblem {
  readonly expected: string;
  readonly found: string;
}

type Read<T> = { readonly value: T } | { readonly problem: SignatureProblem };

/**
 * Verifies a bundle of OpenSSF Model Signing 1.0 made by the key method: a Sigstore bundle around a DSSE envelope with an
 * in-toto statement. Nothing of the statement is read before its signature was found good. Offline; no clock, no log.
 */
export function verifyBundle(bytes: Uint8Array, keys: readonly SigningKey[]): Read<SignedStatement> {
  const bundle = parse('a Sigstore bundle', bytes, bundleSchema);
  if ('problem' in bundle) return bundle;
  const material = bundle.value.verificationMaterial;
  const { publicKey } = material;
  if (publicKey === undefined) {
    const found = `one by ${Object.keys(material).join(', ') || 'nothing'}`;
    return bad('a signature by the key method (`model_signing sign key`)', found);
  }
  const { payload, signatures } = bundle.value.dsseEnvelope;
  const content = Buffer.from(payload, 'base64');
  const signature = Buffer.from(signatures[0]?.sig ?? '', 'base64');
  const by = keys.find(({ key, hash }) =>
    verify(hash, preAuthentication(content), { key, dsaEncoding: 'der' }, signature),
  );
  if (by === undefined) return bad(`a signature by ${names(keys)}`, foreign(publicKey, keys));
  const statement = parse('a statement of OpenSSF Model Signing 1.0', content, statementSchema);
  if ('problem' in statement) return statement;
  const { predicate, subject } = statement.value;
  const { method } = predicate.serialization;
  return { value: { by, method, resources: predicate.resources, rootDigest: subject[0]?.digest.sha256 ?? '' } };
}

/** Source: DSSE v1.0.0, protocol.md, "Pre-Authentication Encoding". */
function preAuthentication(content: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${content.length} `), content]);
}

/** The hint is not signed: it names the signer for people and decides nothing. */
function foreign(publicKey: unknown, keys: readonly SigningKey[]): string {
  const hint = z.object({ hint: z.string().regex(/^[0-9a-f]{64}$/) }).safeParse(publicKey);
  if (!hint.success) return 'one that none of them made';
  const claimed = keys.find(({ fingerprint }) => fingerprint === hint.data.hint);
  if (claimed !== undefined)
    return `one that claims to be by ${claimed.name} and is not: bundle or statement was changed`;
  return `one by another key (SHA-256 of its PEM ${hint.data.hint})`;
}

function names(keys: readonly SigningKey[]): string {
  return keys.length === 0 ? 'a configured key (none is)' : keys.map(({ name }) => name).join(' or ');
}

function parse<T>(what: string, bytes: Uint8Array, schema: z.ZodType<T>): Read<T> {
  let json: unknown;
  try {
    json = parseStrictJson(bytes);
  } catch (error) {
    if (error instanceof JsonRefused) return bad(`${what} in JSON`, error.message);
    throw error;
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return { value: parsed.data };
  const issue = parsed.error.issues[0];
  return bad(what, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'something else'}`);
}

function bad(expected: string, found: string): { problem: SignatureProblem } {
  return { problem: { expected, found } };
}
