import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { keyName, signedText, type ActSignature } from '../workflows/contract/act-signature';

/** Longer than an act takes to the workflow, Temporal's restart included; shorter than anybody needs to find an old one. */
const VALID_MS = 120_000;

/** Signs what the controller sends to the service workflows, so that nobody else can name an actor (Ed25519, RFC 8032). */
export class ActSigner {
  /** 32 bytes in hex. */
  readonly publicKey: string;

  private constructor(private readonly privateKey: KeyObject) {
    const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
    this.publicKey = Buffer.from(x ?? '', 'base64url').toString('hex');
  }

  /** The key of the file (PEM, PKCS #8, mode 0600), which is made where there is none. @throws Error that names the file. */
  static of(file: string): ActSigner {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    try {
      const { privateKey } = generateKeyPairSync('ed25519');
      writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { flag: 'wx', mode: 0o600 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const key = readKey(file);
    if (key.asymmetricKeyType !== 'ed25519')
      throw new Error(`${file}: found a key of the kind ${String(key.asymmetricKeyType)}, expected ed25519`);
    return new ActSigner(key);
  }

  sign(service: string, message: object, now: number): ActSignature {
    const head = { key: keyName(this.publicKey), expires: now + VALID_MS };
    const text = signedText(service, message, head);
    return { ...head, signature: sign(null, Buffer.from(text), this.privateKey).toString('hex') };
  }
}

function readKey(file: string): KeyObject {
  try {
    return createPrivateKey(readFileSync(file));
  } catch (error) {
    throw new Error(`${file}: no private key in PEM: ${(error as Error).message}`, { cause: error });
  }
}
