import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../disk/atomic-file';
import type { ArtifactProblem } from '../../domain/version';
import { readManifest, readSmall } from './content';
import type { Manifest } from './manifest';
import { SIGNATURE } from './paths';
import { signatureOutcome, signatureProblems, type SignatureOutcome, type SignaturePolicy } from './signature/outcome';

interface Signed {
  readonly manifest: Manifest;
  /** As it was signed: the same manifest laid out in another way has another signature. */
  readonly bytes: Uint8Array;
}

/**
 * Signatures beside the contents that they sign, `signatures/<hex digest>`: they are not part of the content, so that the
 * same version signed, unsigned or signed again is one version. They are verified when they are looked at, with the keys
 * that are configured then: a key that was taken out of the configuration signs nothing any more.
 */
export class StoreSignatures {
  constructor(
    private readonly root: string,
    private readonly policy: SignaturePolicy,
  ) {}

  /** What stands beside a manifest that is offered; null where there is none. */
  async offered(source: string): Promise<Buffer | null> {
    return await bytesOf(source, SIGNATURE);
  }

  async outcome(digest: string, object: string): Promise<SignatureOutcome> {
    if (this.policy.policy === 'off') return { is: 'unsigned' };
    const read = await readManifest(object);
    if (!('value' in read) || read.bytes === undefined) return { is: 'unsigned' };
    return this.judge(await this.stored(digest), { manifest: read.value, bytes: read.bytes });
  }

  async problems(digest: string, object: string): Promise<ArtifactProblem[]> {
    return signatureProblems(await this.outcome(digest, object), this.policy);
  }

  /**
   * Which signature a version that is offered would have: the offered one where it is good, else the stored one where
   * that is, else whichever there is. Nothing is written; `problems` keep it out.
   */
  async choose(
    digest: string,
    offered: Buffer | null,
    signed: Signed,
  ): Promise<{ readonly write: Buffer | null; readonly problems: ArtifactProblem[] }> {
    const stored = await this.stored(digest);
    if (this.policy.policy === 'off') return { write: stored === null ? offered : null, problems: [] };
    const found = this.judge(offered, signed);
    if (found.is === 'signed') return { write: offered, problems: [] };
    const before = this.judge(stored, signed);
    if (before.is === 'signed') return { write: null, problems: [] };
    const problems = signatureProblems(offered === null ? before : found, this.policy);
    return { write: offered, problems };
  }

  async write(digest: string, bytes: Buffer): Promise<void> {
    await mkdir(join(this.root, 'signatures'), { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.path(digest), bytes.toString('utf8'));
  }

  async remove(digest: string): Promise<void> {
    await rm(this.path(digest), { force: true });
  }

  private judge(signature: Buffer | null, signed: Signed): SignatureOutcome {
    return signatureOutcome(signature, signed, this.policy.keys);
  }

  private async stored(digest: string): Promise<Buffer | null> {
    return await bytesOf(join(this.root, 'signatures'), hexOf(digest));
  }

  private path(digest: string): string {
    return join(this.root, 'signatures', hexOf(digest));
  }
}

function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
}

async function bytesOf(root: string, path: string): Promise<Buffer | null> {
  const read = await readSmall(root, path);
  if ('bytes' in read) return read.bytes;
  // Too long, or not a file: a signature that is none, but not a missing one.
  return read.problems.every(({ problem }) => problem === 'missing') ? null : Buffer.alloc(0);
}
