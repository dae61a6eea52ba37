import { join } from 'node:path';
import type { ArtifactProblem } from '../../domain/version';
import { readManifest, type AllowedFormats } from './content';
import { manifestDigest } from './manifest';
import { objectProblems } from './objects';
import { coverageRemarks, formatRemarks } from './remarks';
import { sealOf } from './seal';
import { signatureWords, type SignaturePolicy } from './signature/outcome';
import type { StoreSignatures } from './store-signatures';

export interface ObjectRules {
  readonly allowed: AllowedFormats;
  readonly policy: SignaturePolicy;
  readonly signatures: StoreSignatures;
}

/** The contents of a store, `objects/<hex digest>`: whether they are what they were, and may be loaded by today's rules. */
export class StoreObjects {
  /** Digest → how its directory stood when every byte of it had been compared. */
  private readonly seals = new Map<string, string>();

  constructor(
    private readonly root: string,
    private readonly rules: ObjectRules,
  ) {}

  path(digest: string): string {
    return join(this.root, 'objects', digest.slice('sha256:'.length));
  }

  contentProblems(digest: string): Promise<ArtifactProblem[]> {
    return objectProblems(this.path(digest), digest, this.rules.allowed);
  }

  async problems(digest: string): Promise<ArtifactProblem[]> {
    const content = await this.contentProblems(digest);
    return [...content, ...(await this.rules.signatures.problems(digest, this.path(digest)))];
  }

  /** Compares every byte and seals what was compared: a file that changes while others are read is a problem too. */
  async sealed(digest: string): Promise<ArtifactProblem[]> {
    this.seals.delete(digest);
    const before = await this.seal(digest);
    const problems = await this.problems(digest);
    if (problems.length > 0) return problems;
    const after = await this.seal(digest);
    if (after === null || before !== after) return [restless];
    this.seals.set(digest, after);
    return [];
  }

  /** Nothing where nothing was written since it was sealed; else, or where nobody knows, every byte is compared again. */
  async recheck(digest: string): Promise<ArtifactProblem[]> {
    const seal = this.seals.get(digest);
    return seal !== undefined && seal === (await this.seal(digest)) ? [] : await this.sealed(digest);
  }

  /** What people should know of an intact version. */
  async remarks(digest: string): Promise<readonly string[]> {
    const { signatures, policy } = this.rules;
    const object = this.path(digest);
    const read = await readManifest(object);
    if (!('value' in read) || manifestDigest(read.value) !== digest) return [];
    const signed = signatureWords(await signatures.outcome(digest, object), policy);
    const others = [...coverageRemarks(read.value), ...(await formatRemarks(object, read.value))];
    return signed === null ? others : [signed, ...others];
  }

  private async seal(digest: string): Promise<string | null> {
    return await sealOf(this.path(digest)).catch(() => null);
  }
}

const restless: ArtifactProblem = {
  path: '.',
  problem: 'changed',
  expected: 'files that stay as they are while they are read',
  found: 'others',
};
