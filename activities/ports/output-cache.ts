import type { CacheFigures, CacheStrategy, InForceStrategy } from '../../domain/caches/choice';
import type { CacheChange, CachePointer, PointerOutcome } from '../../domain/caches/pointer';

export interface CacheState {
  readonly kind: 'redis' | 'gateway';
  readonly strategy: CacheStrategy;
  /** Version whose answers it may serve; null: nobody has told it one yet. */
  readonly version: string | null;
  readonly epoch: number | null;
  /** Part of the keys that is current; null where it has none to show. */
  readonly tag: string | null;
  /** What was done at the last change, when and by whom; null before the first one. */
  readonly last: {
    readonly strategy: InForceStrategy;
    readonly why: string;
    readonly at: number;
    readonly by: string;
  } | null;
  readonly figures: CacheFigures;
  readonly entries: number | null;
}

/**
 * One output cache of one service: answers or embeddings that were computed by a version. Rejects with `CacheUnreachable`
 * (no connection, no answer in time) or `CacheRefused` (wrong password, a key that is not ours, an answer that is none).
 */
export interface OutputCache {
  readonly name: string;
  readonly service: string;
  readonly strategy: CacheStrategy;
  state(): Promise<CacheState>;
  /**
   * Brings it to a version, in constant time whatever it holds, and reads it back. Once for an epoch; a lower epoch than the
   * one in force is `superseded`. `why` is kept beside it for people.
   */
  settle(
    change: CacheChange,
    why: string,
    /** Whatever it has of a higher epoch is of another life: it begins anew. */
    how?: { readonly takeOver: true },
  ): Promise<{ readonly outcome: PointerOutcome; readonly tag: string | null }>;
  /** Nothing that was stored until now is served again. Idempotent by `at`. */
  invalidate(act: { readonly at: number; readonly by: string }): Promise<void>;
  /** Removes what can be reached by nobody any more, a bounded part of it at a time; resolves to how much. */
  sweep?(limits: {
    readonly maxKeys: number;
    readonly signal: AbortSignal;
  }): Promise<{ readonly removed: number; readonly done: boolean }>;
  close(): Promise<void>;
}

/** The output caches of every service. */
export interface OutputCaches {
  of(service: string): readonly OutputCache[];
}

export type { CachePointer };
