import { generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { OidcTokens } from '../../api/identity/oidc';
import { ActSigner } from '../../workers/act-signer';
import { problemOfSignature, type ActSignature } from '../../workflows/contract/act-signature';
import { parseMessage } from '../../workflows/contract/messages';
import { hostileJson, hostileText, mutated } from './hostile';
import { admitted, crash, harmOf, surface, type SurfacePlan } from './surface';

const ISSUER = 'https://issuer.example';
const AUDIENCE = 'lastgood';
const b64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** What is wrong with a token; each one alone is enough. */
const flaws = [
  'alg-none',
  'hmac-with-public-key',
  'other-issuer',
  'no-issuer',
  'other-audience',
  'no-audience',
  'expired',
  'no-expiry',
  'not-yet',
  'foreign-key',
  'embedded-key',
  'no-subject',
  'changed-payload',
  'changed-header',
  'crit',
  'no-signature',
  'garbage',
  'odd-expiry',
] as const;
type Flaw = (typeof flaws)[number];

interface Forged {
  readonly flaw: Flaw;
  readonly text: string;
  readonly claim: unknown;
}

/** Tokens of an OpenID Connect issuer: any flaw, whatever else is in them, and nobody is let in by it. */
export const oidcPlan: SurfacePlan = {
  name: 'tokens.oidc',
  weight: 8,
  open: async () => {
    const directory = mkdtempSync(join(tmpdir(), 'lastgood-oidc-'));
    const [ours, foreign] = [
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ];
    const jwk = { ...ours.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' };
    const file = join(directory, 'keys.json');
    writeFileSync(file, JSON.stringify({ keys: [jwk] }));
    const tokens = new OidcTokens({
      issuer: ISSUER,
      audience: AUDIENCE,
      keys: { file },
      nameClaim: 'email',
      rolesClaim: 'groups',
      roles: { ops: ['admin'] },
    });
    const signed = (header: object, payload: unknown, key = ours.privateKey): string => {
      const text = `${b64(header)}.${b64(payload)}`;
      return `${text}.${signBytes('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
    };
    const header = { alg: 'ES256', kid: 'k1', typ: 'JWT' };
    const now = (): number => Math.floor(Date.now() / 1_000);
    const good = (): Record<string, unknown> => ({
      iss: ISSUER,
      aud: AUDIENCE,
      sub: 'u',
      email: 'ada',
      groups: ['ops'],
      iat: now(),
      exp: now() + 600,
    });
    const forge = ({ flaw, text, claim }: Forged): string => {
      const payload = { ...good(), extra: claim };
      switch (flaw) {
        case 'alg-none':
          return `${b64({ ...header, alg: ['none', 'None', 'NONE', 'nOnE'][text.length % 4] })}.${b64(payload)}.${text.length % 2 === 0 ? '' : 'x'}`;
        case 'hmac-with-public-key':
          return `${b64({ ...header, alg: 'HS256' })}.${b64(payload)}.${b64(text)}`;
        case 'other-issuer':
          return signed(header, { ...payload, iss: text === ISSUER ? 'x' : text });
        case 'no-issuer':
          return signed(header, { ...payload, iss: undefined });
        case 'other-audience':
          return signed(header, { ...payload, aud: text === AUDIENCE ? 'x' : [text, `${AUDIENCE} `] });
        case 'no-audience':
          return signed(header, { ...payload, aud: undefined });
        case 'expired':
          return signed(header, { ...payload, exp: now() - 31 - text.length });
        case 'no-expiry':
          return signed(header, { ...payload, exp: undefined });
        case 'odd-expiry':
          return signed(header, { ...payload, exp: typeof claim === 'number' ? String(claim) : claim });
        case 'not-yet':
          return signed(header, { ...payload, nbf: now() + 60 + text.length });
        case 'foreign-key':
          return signed(header, payload, foreign.privateKey);
        case 'embedded-key':
          return signed(
            {
              ...header,
              kid: undefined,
              jwk: foreign.publicKey.export({ format: 'jwk' }),
              jku: 'http://127.0.0.1:1/keys',
            },
            payload,
            foreign.privateKey,
          );
        case 'no-subject':
          return signed(header, { ...payload, sub: undefined });
        case 'changed-payload': {
          const [head = '', , signature = ''] = signed(header, payload).split('.');
          return `${head}.${b64({ ...payload, groups: ['ops', text], sub: `${text}x` })}.${signature}`;
        }
        case 'changed-header': {
          const [, body = '', signature = ''] = signed(header, payload).split('.');
          return `${b64({ ...header, x: text })}.${body}.${signature}`;
        }
        case 'crit':
          return signed({ ...header, crit: ['exp2'], exp2: text }, payload);
        case 'no-signature':
          return `${signed(header, payload).split('.').slice(0, 2).join('.')}.`;
        case 'garbage':
          return `${b64(text)}.${b64(claim)}.${text}`;
      }
    };
    await tokens.read(signed(header, good()), '127.0.0.1');
    return surface<Forged>({
      name: 'tokens.oidc',
      inputs: fc.record({ flaw: fc.constantFrom(...flaws), text: hostileText, claim: hostileJson }),
      meet: async (forged) => {
        const token = forge(forged);
        try {
          const { actor } = await tokens.read(token, '127.0.0.1');
          return admitted(`a token with the flaw ${forged.flaw} is ${actor.name}: ${token.slice(0, 300)}`);
        } catch (fault) {
          return harmOf(fault);
        }
      },
      close: () => Promise.resolve(rmSync(directory, { recursive: true, force: true })),
    });
  },
};

type Wrong =
  'changed' | 'other-service' | 'expired' | 'foreign-key' | 'other-signature' | 'signature-changed' | 'longer';

/** Signed acts: what was changed, is of another service, too old or by another key counts as nobody's. */
export const actsPlan: SurfacePlan = {
  name: 'tokens.acts',
  weight: 6,
  open: () => {
    const directory = mkdtempSync(join(tmpdir(), 'lastgood-acts-'));
    const [ours, foreign] = ['a.key', 'b.key'].map((name) => ActSigner.of(join(directory, name))) as [
      ActSigner,
      ActSigner,
    ];
    const actor = { name: 'ada', proof: 'token', from: '10.0.0.1' } as const;
    const acts = [
      { name: 'rollback', requestId: 'r-1', reason: 'r', actor, to: '1.1' },
      { name: 'deploy', requestId: 'r-2', reason: 'r', actor, version: '1.1' },
      {
        name: 'clearBreaker',
        requestId: 'r-3',
        reason: 'r',
        actor,
        breakerEpoch: 3,
        second: { ...actor, name: 'bob' },
      },
      { name: 'pause', requestId: 'r-4', reason: 'r', actor, forMs: 60_000 },
    ] as const;
    const input = fc.record({
      wrong: fc.constantFrom<Wrong>(
        'changed',
        'changed',
        'changed',
        'other-service',
        'expired',
        'foreign-key',
        'other-signature',
        'signature-changed',
        'longer',
      ),
      which: fc.nat(acts.length - 1),
      changed: mutated(acts),
      text: hostileText,
    });
    return Promise.resolve(
      surface({
        name: 'tokens.acts',
        inputs: input,
        meet: async ({ wrong, which, changed, text }) => {
          const act = acts[which] as (typeof acts)[number];
          const now = Date.now();
          const signature = (wrong === 'foreign-key' ? foreign : ours).sign(
            'mail',
            act,
            wrong === 'expired' ? now - 120_000 : now,
          );
          if (
            problemOfSignature(
              'mail',
              { ...act, signature: ours.sign('mail', act, now) } as never,
              [ours.publicKey],
              now,
            ) !== null
          )
            return crash('a good signature is not believed');
          const said = wrong === 'changed' ? changed : act;
          const given: unknown = { ...withoutName(said), signature: signatureOf(wrong, signature, text) };
          try {
            const parsed = parseMessage(act.name, given);
            if (!parsed.ok) return null;
            if (
              wrong === 'changed' &&
              JSON.stringify(sorted(withoutName(said))) === JSON.stringify(sorted(withoutName(act)))
            )
              return null;
            const problem = problemOfSignature(
              wrong === 'other-service' ? `mail${text}x` : 'mail',
              parsed.message as never,
              [ours.publicKey],
              now,
            );
            return problem === null ? admitted(`${wrong}: believed ${JSON.stringify(given).slice(0, 400)}`) : null;
          } catch (fault) {
            return harmOf(fault);
          }
        },
        close: () => Promise.resolve(rmSync(directory, { recursive: true, force: true })),
      }),
    );
  },
};

function signatureOf(wrong: Wrong, good: ActSignature, text: string): unknown {
  switch (wrong) {
    case 'other-signature':
      return { ...good, signature: Buffer.from(text.padEnd(64, 'x')).toString('hex').slice(0, 128) };
    case 'signature-changed': {
      const at = text.length % 128;
      const digit = good.signature[at] === '0' ? '1' : '0';
      return { ...good, signature: `${good.signature.slice(0, at)}${digit}${good.signature.slice(at + 1)}` };
    }
    case 'longer':
      return { ...good, expires: good.expires + 3_600_000 };
    default:
      return good;
  }
}

function withoutName(act: unknown): Record<string, unknown> {
  if (typeof act !== 'object' || act === null) return { act };
  const { name: _name, ...rest } = act as Record<string, unknown>;
  return rest;
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, one]) => [key, sorted(one)]);
}
