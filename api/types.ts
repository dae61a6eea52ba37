import type { Actor, ChainedEntry, Json, LedgerKind } from '../domain/ledger';
import type { Right, Role } from '../domain/roles';
import type { ArtifactStore, CacheState, Ledger, PushedMetrics, Telemetry, TrafficRouter } from '../activities/ports';
import type { Tier, Verdict } from '../domain/detection/types';
import type { Provenance } from '../domain/provenance';
import type { EvaluationSummary, Standing, VersionInfo } from '../domain/version';
import type { ItemsStatus } from '../workflows/contract/items';
import type { DrillRequest } from '../workflows/contract/drill';
import type { Answer, MessageName } from '../workflows/contract/messages';
import type { ServiceStatus } from '../workflows/contract/status';

/**
 * What the controller's HTTP interface answers. JSON everywhere; errors are {@link Problem} with
 * `application/problem+json`. Times are milliseconds since the epoch.
 *
 * | request | answer |
 * |---|---|
 * | `GET /v1/health` | {@link Health} |
 * | `GET /v1/me` | {@link Me} |
 * | `GET /v1/services` | `{services: ServiceView[]}` |
 * | `GET /v1/services/{s}` | {@link ServiceView} |
 * | `GET /v1/services/{s}/events?after=` | `text/event-stream`: `status` ({@link ServiceView}), `entry` ({@link ChainedEntry}), `end` (`{why}`) |
 * | `POST /v1/services/{s}/acts/{name}` {@link ActBody} | {@link Answer}; 409 when refused |
 * | the same, of a regulated service, where it needs a second person | 202 {@link Proposal} |
 * | `POST /v1/services/{s}/webhooks/rollback` `{type: 'rollback', reason, to?, dryRun?}` signed (Standard Webhooks) | as the act `rollback`; 409 for a `webhook-id` that was taken already |
 * | `GET /v1/proposals` | `{proposals: Proposal[]}` |
 * | `POST /v1/proposals/{id}/second` `{reason}` by somebody else | {@link Answer} |
 * | `GET /v1/services/{s}/ledger?after=&incident=&kinds=a,b&until=&limit=&newestFirst=1` | {@link LedgerPage} |
 * | `GET /v1/services/{s}/ledger/verification` | {@link LedgerVerification} |
 * | `GET /v1/incidents?service=S&limit=N` | `{incidents: IncidentSummary[]}`, newest first |
 * | `GET /v1/services/{s}/incidents/{id}/chart?digest=` | the newest picture of the incident, or the one of that digest, `image/svg+xml`; its digest is the `etag` |
 * | `GET /v1/services/{s}/charts?span=MS` | {@link ChartsView}; `span` from 5 minutes to an hour, default 15 minutes |
 * | `GET /v1/services/{s}/drills/schedule` | `{schedule: DrillScheduleView \| null}` |
 * | `POST /v1/services/{s}/drills/schedule` `{everyMs or cron, request, reason}`; `…/pause` `{paused, reason}`; `…/remove` `{reason}` | as above |
 * | `GET /v1/answers/{requestId}` | the answer record's {@link AnswerLookup} |
 * | `GET /v1/services/{s}/answers?at=MS` | {@link AnswersAt} |
 * | `GET /v1/services/{s}/provenance?at=MS[&version=V&reason=R]` | {@link ProvenanceView}: who made live what answered |
 * | `GET /v1/services/{s}/versions/{v}/proof` | {@link VersionProof}: manifest and evaluation report |
 * | `POST /v1/services/{s}/feedback` `{items: [{requestId, label, observedAt, source}]}` | {@link FeedbackResult} |
 * | `POST /v1/services/{s}/observations` `{key, items: [{metric, value, at, n?}]}` | {@link ObservationsTaken}; 400 when refused, and nothing of it is kept |
 * | `POST /v1/services/{s}/reports/{evidently\|whylogs}?at=TIME` the report as the tool wrote it | {@link ObservationsTaken} with `missing` |
 * | `GET /v1/services/{s}/versions` | `{versions: VersionView[]}` |
 * | `GET /v1/services/{s}/caches` | `{caches: CacheView[]}` |
 * | `POST /v1/services/{s}/caches/invalidations` `{reason, cache?, requestId?, atMs?}` | {@link CacheInvalidated}; 502 where one could not be told |
 * | `GET /v1/services/{s}/items` | `{incidents: ItemsView[]}`, newest first |
 * | `GET /v1/services/{s}/items/{incident}` | {@link ItemsView} |
 * | `GET /v1/services/{s}/items/{incident}/lists/{digest}` | one part of a list, `application/x-ndjson`; its first line names the part before it |
 * | `POST /v1/services/{s}/items/{incident}/sign-off` `{pipeline?, reason}` | `{signedOff: number}`; 409 where nothing is treated |
 * | `POST /v1/services/{s}/items/{incident}/orders` `{pipeline, order: retry\|skip, reason}` | `{ordered}` |
 * | `POST /v1/artifacts/import` `{path}` (local user only) | {@link ImportResult} |
 * | `POST /v1/services/{s}/chaos` {@link ChaosReport} (local user only) | `{recorded: 1}` |
 * | `POST /v1/services/{s}/prunings` {@link Pruning} (local user only) | `{recorded: 1}` |
 * | `POST /v1/blind` {@link BlindReport} (local user only) | `{recorded: number}` |
 * | `GET /v1/openapi.json` | the same as an OpenAPI 3.1 document (`docs/openapi.json`) |
 * | `GET /metrics` | Prometheus text |
 * | `GET /`, `/console/` and its files | the operator's page, for everybody: it says nothing of any service |
 */
export type { VersionProof } from '../activities/ports';

/** Whose decision let a version answer at a moment, who vouched for it, and how it was evaluated. */
export interface ProvenanceView extends Provenance {
  /** Null where the store does not have the version. */
  readonly evaluation: {
    /** Digest of the manifest: the version's own. */
    readonly manifest: string;
    /** The report's file in the artifact; null where there is none. */
    readonly report: { readonly path: string; readonly digest: string } | null;
    readonly summary: EvaluationSummary | null;
    /** The thresholds of the policy that is in force today, and whether the report meets them. Null: not known. */
    readonly today: {
      readonly minAccuracy: number;
      readonly minRecall: number;
      readonly ok: boolean;
      readonly why: string;
    } | null;
  } | null;
  /** One sentence each. */
  readonly notKnown: readonly string[];
}
export type RouterState = Awaited<ReturnType<TrafficRouter['read']>>;
export type AnswerLookup = Awaited<ReturnType<Telemetry['answer']>>;
export type AnswersAt = Awaited<ReturnType<Telemetry['answersAt']>>;
export type FeedbackResult = Awaited<ReturnType<Telemetry['feedback']>>;
export type FeedbackItem = Parameters<Telemetry['feedback']>[1][number];
export type ObservationsTaken = Extract<Awaited<ReturnType<PushedMetrics['take']>>, { taken: true }>;
export type LedgerVerification = Awaited<ReturnType<Ledger['verify']>>;

export type ItemsProgress = ItemsStatus;

/** What became of the items of one incident, from the ledger; `progress` while they are treated. */
export interface ItemsView {
  readonly incident: string;
  readonly began: ChainedEntry;
  /** One for each pipeline that is done or skipped. */
  readonly treated: readonly ChainedEntry[];
  readonly ended: ChainedEntry | null;
  readonly signedOff: readonly ChainedEntry[];
  readonly progress: ItemsProgress | null;
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** A sentence for people: what was found, what was expected, what to do. */
  readonly detail: string;
}

/** What a process of lastgood is. */
export interface Release {
  readonly version: string;
  /** `git describe` of what it was built from; null where that is not known. */
  readonly commit: string | null;
  /** Of this interface, `/v1`. */
  readonly api: number;
  /** Of the gateway's control interface. */
  readonly control: number;
  /** The newest rules that its service workflows decide by. */
  readonly rules: number;
  /** The newest tables of the ledger that it reads; newer ones it refuses. */
  readonly ledgerSchema: number;
  readonly node: string;
}

export interface Health {
  readonly ok: boolean;
  readonly pid: number;
  readonly startedAt: number;
  readonly version: string;
  readonly release: Release;
  /** One of several controllers leads, and does alone what must not be done twice. */
  readonly leads: boolean;
  readonly parts: readonly {
    readonly part: 'temporal' | 'workers' | 'ledger' | 'gateway';
    readonly ok: boolean;
    readonly why: string;
  }[];
}

/** Who the controller takes the caller for. */
export interface Me {
  readonly actor: Actor;
  readonly roles: readonly Role[];
  readonly rights: readonly Right[];
  /** Null: every service. */
  readonly services: readonly string[] | null;
  /** Null: no limit by metric. */
  readonly metrics: readonly string[] | null;
}

/** An act of a regulated service that waits for a second person; answered with 202. */
export interface Proposal {
  readonly id: string;
  readonly service: string;
  readonly act: ActName;
  readonly by: string;
  readonly reason: string;
  readonly at: number;
  readonly until: number;
}

/** A legal hold of the configuration: nothing of the service is deleted. */
export interface LegalHoldView {
  readonly by: string;
  readonly reason: string;
  /** Of the data directory, which grows; null: not known. */
  readonly disk: { readonly freeBytes: number; readonly totalBytes: number } | null;
}

export interface ServiceView {
  /** Absent: none. */
  readonly legalHold?: LegalHoldView;
  readonly service: string;
  readonly model: string;
  readonly at: number;
  /** Whose word this is: the deciding workflow's, or, when that cannot be asked, only the gateway's. */
  readonly source: 'workflow' | 'gateway' | 'none';
  readonly status: ServiceStatus | null;
  readonly gateway: RouterState | null;
  /** Where clients reach the service. */
  readonly entrance: string | null;
  /** Items that are being treated; absent where no pipeline is declared. */
  readonly items?: readonly ItemsProgress[];
  /** What is therefore not known, one sentence each. */
  readonly notKnown: readonly string[];
}

/** Control charts of the metrics that are watched now; at most 150 values each. */
export interface ChartsView {
  readonly service: string;
  readonly at: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly binMs: number;
  readonly charts: readonly MetricChart[];
  /** Shifts of the traffic in that time, oldest first. */
  readonly marks: readonly ChartMark[];
  readonly notKnown: readonly string[];
}

export interface MetricChart {
  readonly metric: string;
  /** The tier whose limits these are. */
  readonly tier: Tier;
  /** Null: one that lastgood measures itself, whose unit follows from its name. */
  readonly unit: string | null;
  readonly verdict: Verdict['kind'];
  readonly observed: number | null;
  /** In force now. */
  readonly center: number | null;
  readonly ucl: number | null;
  readonly lcl: number | null;
  /** Moment and value; null where nothing was measured. Empty where no series is kept of it. */
  readonly points: readonly (readonly [atMs: number, value: number | null])[];
  readonly alarms: readonly ChartAlarm[];
}

export interface ChartAlarm {
  readonly atMs: number;
  /** Null: it stands. */
  readonly toMs: number | null;
  readonly onset: { readonly atMs: number; readonly lowMs: number | null; readonly highMs: number | null } | null;
  readonly sentence: string;
}

export interface ChartMark {
  readonly atMs: number;
  readonly sentence: string;
}

/** Names of the acts; `configure` belongs to the controller. */
export type ActName = Exclude<MessageName, 'configure'>;

/** As the messages of the contract, without the actor: the interface knows who asks. */
export interface ActBody {
  /** The same id again is the same act; without one each call is an act of its own. */
  readonly requestId?: string;
  readonly reason: string;
  readonly dryRun?: boolean;
  readonly [field: string]: unknown;
}

export interface LedgerPage {
  readonly entries: readonly ChainedEntry[];
  readonly head: { readonly seq: number; readonly hash: string } | null;
}

export interface IncidentSummary {
  readonly service: string;
  readonly incident: string;
  readonly beganAt: number;
  readonly lastAt: number;
  readonly endedAt: number | null;
  readonly entries: number;
  readonly lastKind: LedgerKind;
  /** First and newest sentence of its story. */
  readonly began: string;
  readonly last: string;
}

export interface VersionView extends VersionInfo {
  /** Null while the deciding workflow cannot be asked. */
  readonly standing: Standing | null;
  readonly why: string | null;
  readonly human: { readonly by: string; readonly at: number } | null;
  readonly live: boolean;
  readonly standby: boolean;
}

/** One output cache; `state` null: it does not answer, and why. */
export interface CacheView {
  readonly cache: string;
  readonly strategy: CacheState['strategy'];
  readonly state: CacheState | null;
  readonly why: string;
}

export interface CacheInvalidated {
  readonly outcomes: readonly { readonly cache: string; readonly done: boolean; readonly why: string }[];
}

export interface ImportResult {
  /** What people should know of it: who signed it, what its digest does not cover. */
  readonly remarks?: readonly string[];
  readonly outcome: 'imported' | 'already-there' | 'repaired';
  readonly info: VersionInfo;
}

/** Written by the watchdog after a time in which nobody could decide. */
/** What a person removes from the artifact store, told before it is removed. */
export interface Pruning {
  readonly requestId: string;
  readonly atMs: number;
  readonly keep: number;
  readonly reason: string;
  readonly versions: readonly { readonly version: string; readonly digest: string }[];
}

/** The begin or the end of a chaos experiment, as it goes into the ledger. */
export interface ChaosReport {
  readonly run: string;
  readonly phase: 'began' | 'ended';
  readonly experiment: string;
  readonly atMs: number;
  readonly reason: string;
  readonly summary: string;
  readonly consent?: string;
  readonly facts: { readonly [key: string]: Json };
}

/** When drills begin by themselves, and what they are. */
export interface DrillScheduleView {
  readonly everyMs: number | null;
  readonly cron: string | null;
  readonly paused: boolean;
  readonly note: string | null;
  /** The next times, at most three. */
  readonly next: readonly number[];
  readonly last: number | null;
  /** Not begun, because the one before was not over. */
  readonly skipped: number;
  readonly request: DrillRequest | null;
}

export interface BlindReport {
  readonly fromMs: number;
  readonly toMs: number;
  readonly why: string;
}

export type { Answer, ArtifactStore, DrillRequest, ServiceStatus };

/** One row of a chain as it is kept: the text that was hashed, and the hashes. */
export interface StoredRow {
  readonly service: string;
  readonly seq: number;
  readonly key: string;
  readonly at: number;
  readonly kind: string;
  readonly incident: string | null;
  readonly entry: string;
  readonly previousHash: string;
  readonly hash: string;
}

/** What a backup begins with: every chain and where it ends now. */
export interface BackupOutline {
  readonly release: string;
  readonly chains: readonly {
    readonly service: string;
    readonly head: { readonly seq: number; readonly hash: string } | null;
  }[];
}

export interface ChainPage {
  readonly rows: readonly StoredRow[];
}

export interface Restoration {
  readonly service: string;
  readonly restoredAt: number;
  readonly by: string;
  readonly summary: string;
  readonly modeBefore: 'observe' | 'confirm' | 'act' | null;
  /** Null while no person has accepted it. */
  readonly acceptedAt: number | null;
  readonly differences: readonly string[];
  /** Of the differences; an acceptance names the list that was looked at. */
  readonly digest: string;
}

export interface RestorationAccepted {
  readonly mode: 'observe' | 'confirm' | 'act';
  readonly differences: readonly string[];
  readonly answers: readonly { readonly decision: string; readonly why: string }[];
}

/** Whether lastgood decides about a service. */
export interface Attachment {
  readonly service: string;
  readonly attached: boolean;
  /** Of a detachment: everything that it had to do is done. */
  readonly ended: boolean;
  readonly at: number | null;
  readonly by: string | null;
  readonly summary: string;
  /** Where the copies listen that serve on. */
  readonly addresses: readonly string[];
}
