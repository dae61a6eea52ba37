import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { temporal } from '@temporalio/proto';

const { Payload: wire } = temporal.api.common.v1;

const encoding = 'binary/encrypted';
const algorithm = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;

export interface PayloadKey {
  readonly id: string;
  /** 32 bytes. */
  readonly key: Buffer;
}

/** The histories hold payloads by a key that this process does not have. */
export class PayloadKeyMissing extends Error {
  override readonly name = 'PayloadKeyMissing';
}

/**
 * What goes to Temporal, encrypted: AES-256-GCM (NIST SP 800-38D) with a random IV of 96 bits; the id of the key stands
 * beside it and is authenticated. The first key encrypts, every key decrypts, and what came before encryption is read as it is.
 */
export class EncryptedPayloads implements PayloadCodec {
  private readonly active: PayloadKey;

  constructor(private readonly keys: readonly [PayloadKey, ...PayloadKey[]]) {
    this.active = keys[0];
  }

  encode(payloads: Payload[]): Promise<Payload[]> {
    return Promise.resolve(payloads.map((payload) => this.encrypt(payload)));
  }

  /** Rejects with {@link PayloadKeyMissing}, or where a payload was changed. */
  async decode(payloads: Payload[]): Promise<Payload[]> {
    return await Promise.all(payloads.map(async (payload) => this.decrypt(payload)));
  }

  private encrypt(payload: Payload): Payload {
    const { id, key } = this.active;
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv(algorithm, key, iv).setAAD(Buffer.from(id));
    const sealed = Buffer.concat([cipher.update(wire.encode(payload).finish()), cipher.final()]);
    return {
      metadata: { encoding: Buffer.from(encoding), 'encryption-key-id': Buffer.from(id) },
      data: Buffer.concat([iv, cipher.getAuthTag(), sealed]),
    };
  }

  private decrypt(payload: Payload): Payload {
    const { metadata, data } = payload;
    if (textOf(metadata?.['encoding']) !== encoding || !data) return payload;
    const id = textOf(metadata?.['encryption-key-id']);
    const found = this.keys.find((key) => key.id === id);
    if (!found)
      throw new PayloadKeyMissing(
        `a payload in Temporal is by the key "${id}", and temporal.encryption.keys has ${this.keys.map((key) => key.id).join(', ')}: keep a key until no history holds it any more`,
      );
    const bytes = Buffer.from(data);
    const decipher = createDecipheriv(algorithm, found.key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes })
      .setAAD(Buffer.from(id))
      .setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
    const open = Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]);
    return wire.decode(open);
  }
}

/** Null without keys. @throws Error that names the file of a key that is none. */
export function encryptedPayloads(
  keys: readonly { readonly id: string; readonly file: string }[],
): EncryptedPayloads | null {
  const [first, ...others] = keys.map(({ id, file }) => ({ id, key: readKey(file) }));
  return first ? new EncryptedPayloads([first, ...others]) : null;
}

function readKey(file: string): Buffer {
  const text = readFileSync(file, 'utf8').trim();
  if (!/^[0-9a-f]{64}$/i.test(text))
    throw new Error(
      `${file}: found ${text.length} characters, expected 32 bytes in hexadecimal (openssl rand -hex 32)`,
    );
  return Buffer.from(text, 'hex');
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return bytes ? Buffer.from(bytes).toString() : '';
}
