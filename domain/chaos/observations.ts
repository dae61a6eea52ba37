import type { Json, LedgerKind } from '../ledger';

/** That something was seen: the sentence for people, the facts that it rests on. */
export interface FaultProof {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly sentence: string;
  readonly facts: { readonly [key: string]: Json };
}

/** A look at the steady state. */
export interface SteadyLook {
  readonly holds: boolean;
  readonly at: number;
  /** What did not hold when it was last looked. */
  readonly why: string;
}

/** Fates of the counted requests. */
export interface UserTally {
  readonly sent: number;
  readonly answered: number;
  /** Answered with another status than 2xx. */
  readonly failed: number;
  /** No whole answer. */
  readonly lost: number;
  /** Good answers by the version that gave them. */
  readonly byVersion: Readonly<Record<string, number>>;
  /** Good answers of the requests that were sent after the fault was in effect. */
  readonly byVersionAfter: Readonly<Record<string, number>>;
}

/** What a verdict needs of a ledger entry. */
export interface SeenEntry {
  readonly summary: string;
  readonly seq: number;
  readonly at: number;
  readonly kind: LedgerKind;
  readonly incident: string | null;
  readonly facts: { readonly [key: string]: Json };
}

/** The route as the deciding workflow declared it and as the router has it. */
export interface SeenRoute {
  readonly at: number;
  readonly declared: { readonly epoch: number; readonly primary: string } | null;
  readonly observed: { readonly epoch: number; readonly primary: string } | null;
  readonly operation: string | null;
  /** Standby with a good proof. */
  readonly proven: string | null;
  /** Versions that the machine may not choose: quarantined or revoked. */
  readonly barred: readonly string[];
}

/** Everything that one run saw; a verdict is read from this and from nothing else. */
export interface Observations {
  readonly steadyBefore: SteadyLook | null;
  readonly before: string | null;
  readonly target: string | null;
  /** Why the fault could not be made; null where it was. */
  readonly notInjected: string | null;
  readonly injected: FaultProof | null;
  /** The step that the rollback was in when the fault was seen in effect; `before` and null where there was none. */
  readonly injectedAt: string | null;
  readonly removed: FaultProof | null;
  readonly notRemoved: string | null;
  /** What the operation came to; null where it came to nothing in time. */
  readonly outcome: 'settled' | 'waiting-for-human' | 'cancelled' | 'abandoned' | 'none' | null;
  /** Primary at the outcome. */
  readonly primary: string | null;
  /** Entries since the run began. */
  readonly entries: readonly SeenEntry[];
  readonly users: UserTally | null;
  readonly routes: readonly SeenRoute[];
  readonly chain: { readonly whole: boolean; readonly why: string } | null;
  readonly steadyAfter: SteadyLook | null;
  readonly stopped: boolean;
}
