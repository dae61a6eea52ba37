import type { IdentityMeans } from './observed-serving';
import type { VersionContract } from './rollback/contract';

/** What a version may be used for. Everything but `candidate` is the result of a decision in the ledger. */
export type Standing = 'candidate' | 'validated' | 'suspect' | 'quarantined' | 'revoked';

/** Part of the evaluation report that decisions need. Rates are 0–1. */
export interface EvaluationSummary {
  readonly accuracy: number;
  readonly n: number;
  readonly byClass: Readonly<
    Record<string, { readonly n: number; readonly recall: number; readonly precision: number }>
  >;
}

/** What the artifact store says of one version; immutable but for the store's own findings. */
export interface VersionInfo {
  readonly version: string;
  /** `sha256:…` of the canonical manifest. */
  readonly digest: string;
  readonly createdAt: number;
  readonly importedAt: number;
  /** Protocol the version is served by, e.g. `open-inference`. */
  readonly engine: string;
  readonly model: string;
  readonly evaluation: EvaluationSummary | null;
  /** Number of golden probes that the version carries. */
  readonly probes: number;
  /** Features served from outside the process, declared with address and version. */
  readonly external: readonly { readonly name: string; readonly version: string }[];
  readonly bytes: number;
  /** What it takes and gives; absent where its manifest does not say. */
  readonly contract?: VersionContract;
  /** Set where no artifact stands behind the version: only the address that something else serves it at tells of it. */
  readonly observed?: ObservedVersion;
}

export interface ObservedVersion {
  readonly means: IdentityMeans;
  /** It has an address of its own, so that the traffic can be moved to it and away. */
  readonly ownAddress: boolean;
}

/** One thing that is wrong with an artifact, located. */
export interface ArtifactProblem {
  readonly path: string;
  readonly problem: 'missing' | 'extra' | 'changed' | 'truncated' | 'escapes' | 'link' | 'invalid' | 'unreadable';
  readonly expected: string;
  readonly found: string;
}
