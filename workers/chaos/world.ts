import type { SeenEntry } from '../../domain/chaos/observations';
import type { Json } from '../../domain/ledger';
import type { Answer } from '../../workflows/contract/messages';
import type { ServiceStatus } from '../../workflows/contract/status';

export type ServiceFacts = ServiceStatus['state'];

export type { SeenEntry };

export interface ServiceLook {
  readonly state: ServiceFacts | null;
  /** Route in force; null while the router cannot be asked. */
  readonly observed: { readonly epoch: number; readonly primary: string } | null;
}

/** What goes into the ledger of the service about a run. */
export interface ChaosRecord {
  readonly run: string;
  readonly phase: 'began' | 'ended';
  readonly experiment: string;
  readonly atMs: number;
  readonly reason: string;
  readonly summary: string;
  readonly facts: { readonly [key: string]: Json };
}

/** One service as an experiment sees it: from outside, through the controller. Its calls reject while nobody answers. */
export interface ChaosWorld {
  look(): Promise<ServiceLook>;
  entries(afterSeq: number): Promise<SeenEntry[]>;
  ledgerHead(): Promise<number>;
  act(
    name: 'rollback' | 'deploy' | 'intervene' | 'clearQuarantine',
    fields: Readonly<Record<string, Json>>,
  ): Promise<Pick<Answer, 'decision' | 'why' | 'reference'>>;
  /** Durable when it resolves; the same run and phase again is the same entry. Rejects where it is refused. */
  record(entry: ChaosRecord): Promise<void>;
  chain(): Promise<{ whole: boolean; why: string }>;
}

/** Holds a rollback at a step, so that a fault is made exactly there; only where fault tests are switched on. */
export interface StepHold {
  arm(step: string): void;
  /** True from the moment at which the rollback stands still in it. */
  isHeld(step: string): boolean;
  release(): void;
}
