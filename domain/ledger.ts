/** Any JSON value; numbers are finite. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The kinds of ledger entries; `explain`, `report` and the recovery of a lost service workflow read them. */
export type LedgerKind =
  | 'service-started'
  | 'degradation-began'
  | 'degradation-ended'
  | 'rollback-decided'
  | 'rollback-held'
  | 'rollback-refused'
  | 'step-began'
  | 'step-succeeded'
  | 'step-failed'
  | 'candidate-dropped'
  | 'traffic-shifted'
  | 'settled'
  | 'confirmed'
  | 'waiting-for-human'
  | 'incident-ended'
  | 'deploy-decided'
  | 'deploy-refused'
  | 'deploy-settled'
  | 'bake-ended'
  | 'fallback-declared'
  | 'fallback-withdrawn'
  | 'fallback-began'
  | 'route-declared'
  | 'foreign-change'
  | 'breaker-opened'
  | 'breaker-cleared'
  | 'cooldown-started'
  | 'cooldown-ended'
  | 'operator-act'
  | 'refused'
  | 'standing-changed'
  | 'standby-changed'
  | 'configured'
  | 'reconciled'
  | 'blind'
  | 'drill-decided'
  | 'drill-shared'
  | 'drill-detected'
  | 'drill-ended'
  | 'evidence-kept'
  | 'instance-retired'
  | 'items-began'
  | 'items-treated'
  | 'items-ended'
  | 'items-signed-off'
  | 'restored'
  | 'restore-accepted'
  | 'detached'
  | 'attached';

/** Who decided: lastgood itself, or a person whose identity was proven in the given way. */
export interface Actor {
  readonly name: string;
  readonly proof: 'lastgood' | 'unix-user' | 'token' | 'oidc' | 'mtls' | 'webhook' | 'unverified' | 'external';
  readonly from: string;
}

/** One decision as its workflow wrote it. `key` makes a repeated append the same append. */
export interface LedgerEntry {
  readonly service: string;
  /** `<workflow id>/<counter in its state>`. */
  readonly key: string;
  /** Workflow time, milliseconds since the epoch. */
  readonly at: number;
  readonly kind: LedgerKind;
  readonly incident: string | null;
  readonly actor: Actor;
  /** One sentence for people. */
  readonly summary: string;
  /** The facts that the decision was taken on; at most 12 KiB. */
  readonly facts: { readonly [key: string]: Json };
}

/** An entry as it stands in its chain. */
export interface ChainedEntry extends LedgerEntry {
  readonly seq: number;
  /** Hex SHA-256 of the entry before it; 64 zeros for the first one. */
  readonly previousHash: string;
  readonly hash: string;
}
