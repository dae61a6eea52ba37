import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSigningKey, type SigningKey } from '../../adapters/artifacts/signature/keys';

const home = join(__dirname, '..', '..', '.cache', 'test-deps', 'model-signing-1.1.1');

/** `describe`, or with one visible line `describe.skip`. */
export function describeSigning(what: string): jest.Describe {
  if (existsSync(join(home, '.complete'))) return describe;
  process.stdout.write(`skipped: ${what} (no model-signing; scripts/test-deps/model-signing.sh installs it)\n`);
  return describe.skip;
}

export interface KeyPair {
  readonly privateFile: string;
  readonly publicFile: string;
  readonly key: SigningKey;
}

export function keyPair(directory: string, name: string, namedCurve = 'P-256'): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
  const privateFile = join(directory, `${name}.key`);
  const publicFile = join(directory, `${name}.pub`);
  writeFileSync(privateFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  writeFileSync(publicFile, pem);
  return { privateFile, publicFile, key: readSigningKey(`${name}.pub`, pem) };
}

/** Signs a directory as its author would: with the tool itself, the signature beside the files. */
export function signDirectory(directory: string, { privateFile }: KeyPair, options: readonly string[] = []): void {
  const signature = join(directory, 'model.sig');
  run([
    '-m',
    'model_signing',
    'sign',
    'key',
    directory,
    '--signature',
    signature,
    '--private_key',
    privateFile,
    ...options,
  ]);
}

/** Signs with what the tool's command line does not offer: another hash, shards. `use` is Python on a hashing `config`. */
export function signDirectoryBy(directory: string, { privateFile }: KeyPair, use: string): void {
  const signature = join(directory, 'model.sig');
  const script = `import sys, model_signing
config = model_signing.hashing.Config()
config.${use}
config.set_ignored_paths(paths=[sys.argv[2]], ignore_git_paths=True)
signing = model_signing.signing.Config().use_elliptic_key_signer(private_key=sys.argv[3])
signing.set_hashing_config(config).sign(sys.argv[1], sys.argv[2])`;
  run(['-c', script, directory, signature, privateFile]);
}

/** Whether the tool itself takes the signature of a directory. */
export function toolVerifies(directory: string, { publicFile }: KeyPair): boolean {
  const signature = join(directory, 'model.sig');
  try {
    run(['-m', 'model_signing', 'verify', 'key', directory, '--signature', signature, '--public_key', publicFile]);
    return true;
  } catch {
    return false;
  }
}

function run(words: readonly string[]): void {
  execFileSync(join(home, 'bin', 'python'), words, { stdio: 'pipe' });
}
