import type {
  ArtifactStore,
  EvidenceStore,
  Ledger,
  MetricSeries,
  OutputCaches,
  PushedMetrics,
  Telemetry,
  TrafficRouter,
  VersionProof,
} from '../activities/ports';
import type { Answer, MessageName, OperatorMessage } from '../workflows/contract/messages';
import type { ItemsStatus, PersonsOrder } from '../workflows/contract/items';
import type { ServiceStatus } from '../workflows/contract/status';
import type { DrillRequest } from '../workflows/contract/drill';
import type { DrillScheduleView, Health, ImportResult, LegalHoldView, StoredRow } from './types';

/** The deciding workflows, as far as this interface needs them. */
export interface Decisions {
  /** Rejects with {@link DecisionsUnreachable} when the workflow cannot be asked. */
  status(service: string): Promise<ServiceStatus>;
  /** The decision, not the outcome of its effects. Rejects with {@link DecisionsUnreachable}. */
  act(service: string, name: MessageName, message: OperatorMessage): Promise<Answer>;
  /** The store has changed: the list of versions is read again. Rejects with {@link DecisionsUnreachable}. */
  artifactsChanged(service: string): Promise<void>;
}

/** Drills that begin by themselves. Every method rejects with {@link DecisionsUnreachable}. */
export interface DrillSchedules {
  /** Null where there is none. */
  read(service: string): Promise<DrillScheduleView | null>;
  /** Replaces what is there; one that is paused stays so. */
  put(
    service: string,
    schedule: (
      { readonly everyMs: number; readonly cron?: undefined } | { readonly cron: string; readonly everyMs?: undefined }
    ) & {
      readonly request: DrillRequest;
      readonly note: string;
    },
  ): Promise<void>;
  setPaused(service: string, paused: boolean, note: string): Promise<void>;
  remove(service: string): Promise<void>;
}

/** The workflows that treat the items of incidents. */
export interface ItemsControl {
  /** Null where there is none of that incident. Rejects when it cannot be asked. */
  progress(service: string, incident: string): Promise<ItemsStatus | null>;
  order(service: string, incident: string, order: PersonsOrder): Promise<void>;
}

/** Nobody who decides could be asked: Temporal is down, the workers are, or the workflow has not started. */
export class DecisionsUnreachable extends Error {
  override readonly name = 'DecisionsUnreachable';
}

/** Who may roll a service back by a signed call. */
export interface RollbackCaller {
  readonly name: string;
  /** `whsec_<base64>` or base64; read at each call. */
  secret(): string;
}

/** The chains for a backup. */
export interface LedgerChains {
  services(): Promise<string[]>;
  head(service: string): Promise<{ readonly seq: number; readonly hash: string } | null>;
  rows(service: string, afterSeq: number, untilSeq: number, limit: number): Promise<StoredRow[]>;
}

/** What the interface reaches; composed by the controller. */
export interface ApiPorts {
  readonly services: readonly {
    readonly name: string;
    readonly model: string;
    /** Whether chaos experiments may be made on it. */
    readonly chaos: 'refuse' | 'ask' | 'allow';
    readonly regulated?: boolean;
    /** Nothing of it is deleted. */
    readonly legalHold?: { readonly by: string; readonly reason: string } | null;
  }[];
  /** Of the disk of the data directory; absent or null: not known. */
  disk?(): Promise<LegalHoldView['disk']>;
  readonly decisions: Decisions;
  readonly schedules: DrillSchedules;
  readonly router: TrafficRouter;
  readonly telemetry: Telemetry;
  readonly pushed: PushedMetrics;
  /** An Alertmanager has said something: the alerts that the service declares are asked for at once. How many. */
  alertsChanged(service: string): number;
  /** Absent: nobody may. */
  readonly rollbackCallers?: (service: string) => readonly RollbackCaller[];
  readonly evidence: Pick<EvidenceStore, 'read'>;
  readonly series: MetricSeries;
  readonly caches: OutputCaches;
  readonly ledger: Ledger;
  /** Absent where the ledger keeps no chains of hashes. */
  readonly chains?: LedgerChains;
  /** Absent where no service has pipelines. */
  readonly items?: ItemsControl;
  readonly artifacts: Pick<ArtifactStore, 'list'> & {
    import(path: string): Promise<ImportResult>;
    /** Null where the store does not have it. */
    proof(service: string, version: string): Promise<VersionProof | null>;
  };
  /** A service was detached or attached: what follows from it is done at once. */
  readonly attachmentsChanged?: () => void;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  health(): Promise<Health>;
}
