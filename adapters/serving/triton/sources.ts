import type { ListedFile } from './placement';
import type { TritonRecords } from './records';
import type { TritonServer } from './repository-api';

/** What the parts of this adapter work on. */
export interface TritonSources {
  readonly server: TritonServer;
  readonly records: TritonRecords;
  /** The directory on this host that the server has as its model repository. */
  readonly repository: string;
  /** `<repository>/<model>`. */
  readonly modelDirectory: string;
  /** Part of the artifact that becomes the version's directory; empty: all of it. */
  readonly subdirectory: string;
  /** Files that the artifact of this digest has; rejects when what is there is another one. */
  readonly listing: (artifact: string, digest: string) => Promise<readonly ListedFile[]>;
  /** For one load, all of it. */
  readonly loadLimitMs: number;
  readonly now: () => number;
}

export type Say = (words: string) => void;

export function wordsOfFault(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault);
}
