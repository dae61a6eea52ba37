/** What the users of a run ask for. `unpinned` and `pinned` are JSON requests, the latter with a session. */
export type Kind = 'unpinned' | 'pinned' | 'stream';

/** The fate of one request; times in milliseconds of the machine's monotonic clock, the same in all processes. */
export interface UserRecord {
  readonly kind: Kind;
  readonly sentMs: number;
  readonly endedMs: number;
  readonly status: number | null;
  /** Which versions its answer is made of: one, but for a stream that mixes. */
  readonly versions: readonly string[];
  readonly session: string | null;
  /** First request of its session: when it was sent, and when it was over. */
  readonly born: { readonly sentMs: number; readonly endedMs: number } | null;
  /** Why there was no whole answer. `cut`: it ended after its headers. */
  readonly lost: string | null;
}

export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function isFailed({ lost, status }: UserRecord): boolean {
  return lost === null ? status !== 200 : lost !== 'cut';
}
