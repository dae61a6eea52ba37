/**
 * The outside world as interfaces. Every method says what it resolves to; a promise that rejects means "could not be
 * done or asked" (an adapter's own error class), never "no".
 */
import type { Alert, AlertSeverity } from '../domain/alert';
import type { ReportTool } from '../domain/detection/drift-methods';
import type { OutsideValue } from '../domain/detection/outside-metric';
import type { FeatureOptions } from '../domain/detection/answer-features';
import type { SeenAnswer } from '../domain/detection/answer-drift';
import type { Actor, ChainedEntry, Json, LedgerEntry } from '../domain/ledger';
import type { InputFit } from '../domain/rollback/input-fit';
import type { Mirrored, MirrorItem } from '../gateway/protocol';
import type { RouteRecord, VersionSelector } from '../domain/route';
import type { ArtifactProblem, VersionInfo } from '../domain/version';
import type {
  AnswerLookup,
  AnswersAt,
  ApplyResult,
  CountsRow,
  FeedbackItem,
  FeedbackResult,
  ObservationAnswer,
  ObservationBatch,
  RouterState,
  Sample,
  TelemetryRow,
} from '../gateway/protocol';

export interface ArtifactStore {
  /** Versions of the service, oldest import first. Broken ones are listed by `verify`, not here. */
  list(service: string): Promise<VersionInfo[]>;
  get(service: string, version: string): Promise<VersionInfo | null>;
  /** Checks every file against the manifest; an empty list means intact. Reads all bytes. */
  verify(service: string, version: string): Promise<ArtifactProblem[]>;
  /**
   * A verified, read-only, content-addressed directory that nobody else writes to; the same digest gives the same
   * directory. Rejects with `ArtifactCorrupt` (which carries the problems) when the content does not match.
   */
  materialise(service: string, version: string): Promise<{ directory: string; digest: string }>;
  /**
   * What is wrong with the directory now that a copy has loaded it; empty when nothing was written there since
   * `materialise`, or when every byte is the same all the same. Cheap where nothing was written.
   */
  recheck?(service: string, version: string): Promise<ArtifactProblem[]>;
  /** What people should know of an intact version, a sentence each: who signed it, what its digest does not cover. */
  remarks?(service: string, version: string): Promise<readonly string[]>;
  /** Golden probes of a version, as they stand in its artifact. */
  probes(service: string, version: string): Promise<GoldenProbe[]>;
  /** A note for people beside the version; never read back as truth. Idempotent by content. */
  annotate(service: string, version: string, note: { at: number; text: string }): Promise<void>;
}

/** What shows which version a name stands for, and how it was evaluated. */
export interface VersionProof {
  readonly version: string;
  readonly digest: string;
  /** Canonical JSON (RFC 8785); its SHA-256 is `digest`. */
  readonly manifest: string;
  /** The report as it lies in the artifact, `digest` being that of its bytes; null where there is none that is intact. */
  readonly evaluation: { readonly path: string; readonly digest: string; readonly text: string } | null;
}

/** Parts of versions that run outside of the serving process (a feature service), as the host's configuration knows them. */
export interface ExternalParts {
  /**
   * The version that the part has now; `declared` is the one that the asker needs. Null where it is not configured how to
   * ask. Rejects when it does not say.
   */
  version(service: string, name: string, declared: string): Promise<string | null>;
}

export interface GoldenProbe {
  readonly id: string;
  /** Request body for the engine's inference call. */
  readonly request: Json;
  readonly expect: {
    readonly output: string;
    readonly value: string | number;
    readonly tolerance?: number;
    /** What the server's tokenizer must make of the request: a wrong tokenizer may give the right label by luck. */
    readonly tokens?: ExpectedTokens;
  };
}

/**
 * The ids in order, or their number and digest (SHA-256, in hex, of the ids as a JSON array without spaces). `text` is
 * what is tokenized where the server is not asked with the request itself; `output` is the name of the output of an Open
 * Inference server that holds the ids (default `tokens`).
 */
export type ExpectedTokens = (
  { readonly ids: readonly number[] } | { readonly count: number; readonly sha256: string }
) & {
  readonly text?: string;
  readonly output?: string;
};

/** A running copy as the runtime finds it. Nothing here is remembered; everything is inspected. */
export interface InstanceState {
  readonly instance: string;
  readonly version: string;
  readonly state: 'starting' | 'running' | 'exited';
  /** `http://host:port`; null until the copy reported its port. */
  readonly address: string | null;
  /** Digest that the copy itself reports. */
  readonly digest: string | null;
  /** How it is named at that address; absent where it has the address to itself. */
  readonly selector?: VersionSelector;
  readonly startedAt: number;
  readonly exit: { readonly at: number; readonly code: string; readonly logTail: string } | null;
  readonly memoryBytes: number | null;
  /** Where its memory ends, and in words where that comes from; absent where nothing is known. */
  readonly memoryLimit?: { readonly bytes: number; readonly of: string };
}

export interface StartRequest {
  readonly service: string;
  readonly version: string;
  /** Name given by the workflow; starting the same instance twice is starting it once. */
  readonly instance: string;
  /** Verified directory from {@link ArtifactStore.materialise}; null for runtimes that start nothing. */
  readonly artifact: string | null;
  readonly digest: string;
  /** The port at which it must answer, because a route names it; refused where that cannot be had. Default: any. */
  readonly port?: number;
}

/** What happened to a copy, or to the engine that runs the copies (`instance` null), as the runtime was told. */
export interface InstanceEvent {
  readonly at: number;
  readonly event: 'started' | 'died' | 'out-of-memory' | 'healthy' | 'unhealthy' | 'engine-lost' | 'engine-back';
  readonly instance: string | null;
  readonly detail: string;
}

export interface ServingRuntime {
  readonly kind: 'process' | 'docker' | 'triton' | 'adapters' | 'external';
  /**
   * Starts the instance, or finds it when it runs already. Resolves when it has an address (not: when it is ready).
   * `progress` is told, in words, of what takes long before it can start (an image that is pulled).
   */
  start(request: StartRequest, signal: AbortSignal, progress?: (words: string) => void): Promise<InstanceState>;
  /** Every instance of the service that is ours; a foreign one is reported in `foreign`, never signalled. */
  inspect(service: string): Promise<{ instances: InstanceState[]; foreign: { what: string; why: string }[] }>;
  /**
   * Graceful stop: `stopped`, `absent` (nothing to stop), or `refused` with the reason. The caller has asked the router
   * in the same activity; the runtime itself refuses what is not its own.
   */
  stop(
    instance: string,
    limits: { graceMs: number },
  ): Promise<{ outcome: 'stopped' | 'absent' | 'refused'; why: string }>;
  /** Lets go of a copy that serves on; only where it carries something of ours. Idempotent. */
  release?(instance: string): Promise<{ outcome: 'released' | 'absent'; why: string }>;
  /** Last lines of the copy's own log, kept as evidence after its end. */
  logs(instance: string, limitBytes: number): Promise<string>;
  /**
   * What happens to the copies of a service from now on, until `signal` aborts; only where the runtime is told (Docker). An
   * event is a hint to look, never the truth itself: after `engine-back` some may be missing, some may come twice.
   */
  events?(service: string, signal: AbortSignal): AsyncIterable<InstanceEvent>;
}

/** How to talk to a serving process: readiness, identity, inference. One per protocol, addressed by base URL. */
export interface Engine {
  readonly name: string;
  /** `asleep`: it gave its memory back and answers nobody until it is woken. */
  ready(
    address: string,
    model: string,
    limits: { timeoutMs: number },
  ): Promise<{ ready: boolean; why: string; asleep?: boolean }>;
  /** What the process really loaded, and which means that statement rests on. */
  identity(
    address: string,
    model: string,
    limits: { timeoutMs: number },
  ): Promise<{
    digest: string | null;
    version: string | null;
    means: 'reported-digest' | 'model-metadata' | 'response-header' | 'placed-files' | 'probe-fingerprint';
  }>;
  /** One inference with a raw body; `label`/`score` are read by the service's configured paths. */
  infer(
    address: string,
    model: string,
    body: Json,
    options: { timeoutMs: number; headers?: Readonly<Record<string, string>> },
  ): Promise<{
    status: number;
    ms: number;
    outputs: Readonly<Record<string, string | number>>;
    headers: Readonly<Record<string, string>>;
  }>;
  /** Requests that the server works on and that wait in it, whoever sent them; only of engines that count them. */
  work?(address: string, limits: { timeoutMs: number }): Promise<{ running: number; waiting: number }>;
  /** Brings the weights of a server that sleeps back into place; only of engines that can sleep. */
  wake?(address: string, limits: { timeoutMs: number }): Promise<void>;
  /**
   * Token ids that the server makes of a request; absent where the protocol has no way to ask. `unavailable` says why this
   * server does not tell them, which is neither good nor bad.
   */
  askTokens?(
    address: string,
    model: string,
    question: { readonly request: Json; readonly text?: string; readonly output?: string },
    options: { timeoutMs: number; headers?: Readonly<Record<string, string>> },
  ): Promise<{ readonly ids: readonly number[] } | { readonly unavailable: string }>;
}

export interface TrafficRouter {
  read(service: string): Promise<RouterState>;
  /** Replaces the record whole; answered when it is on disk and in force. Refusals are values. */
  apply(record: RouteRecord): Promise<ApplyResult>;
  /** Raises the floor; never lowers it. Resolves to the floor in force. */
  fence(service: string, epoch: number): Promise<number>;
  /** True when no request is in flight on the version and no session is pinned to it. */
  drained(service: string, version: string): Promise<{ drained: boolean; inFlight: number; pinned: number }>;
  /**
   * Where a probe goes the way of clients' requests, and the header that keeps it out of every metric. `clients`: where
   * clients come in, where that is another address.
   */
  entrance(
    service: string,
  ): Promise<{ address: string; clients?: string; probeHeaders: Readonly<Record<string, string>> }>;
  /**
   * Recorded inputs for the version of the drill that runs on copies; counted in its cohort alone. Absent where the router
   * neither copies requests nor changes answers.
   */
  mirror?(service: string, drill: string, items: readonly MirrorItem[]): Promise<Mirrored>;
}

export interface Telemetry {
  /**
   * Rows after `cursor` in order, then new ones as they come, until `signal` aborts. Yields `null` as a sign of life at
   * least each second when nothing came. Rejects with `TelemetryUnreachable`; the caller decides what that means.
   */
  follow(service: string, cursor: number, signal: AbortSignal): AsyncIterable<TelemetryRow | null>;
  /** Stored rows of [fromMs, toMs). */
  window(service: string, fromMs: number, toMs: number): Promise<CountsRow[]>;
  /** Recent sampled inputs, newest first; `off` where the service does not sample. */
  samples(
    service: string,
    query: { version?: string; labelled?: boolean; limit: number },
  ): Promise<{ off: boolean; samples: Sample[] }>;
  feedback(service: string, items: readonly FeedbackItem[]): Promise<FeedbackResult>;
  answer(requestId: string): Promise<AnswerLookup>;
  answersAt(service: string, atMs: number): Promise<AnswersAt>;
}

/** Values of the metrics that a service declares, wherever they are kept (pushed to the gateway, Prometheus). */
export interface OutsideMetrics {
  /**
   * The newest `limit` values of [fromMs, toMs), oldest first. An empty list is an answer; it rejects when the source
   * cannot be asked, or answers something else than one series of numbers.
   */
  values(service: string, metric: string, fromMs: number, toMs: number, limit: number): Promise<OutsideValue[]>;
}

/** What may be pushed. A refusal is a value, and nothing of what was refused is kept. */
export interface PushedMetrics {
  take(service: string, batch: ObservationBatch): Promise<ObservationAnswer>;
  /**
   * A report of another tool, as it wrote it, of the time `at` (ISO 8601). `missing`: metrics that are declared to come
   * from this tool and are not in this report.
   */
  takeReport(
    service: string,
    tool: ReportTool,
    at: string,
    report: unknown,
  ): Promise<ObservationAnswer & { readonly missing: readonly string[] }>;
}

/** A picture (the default), or a list of pipeline items. */
export type EvidenceForm = 'svg' | 'ndjson';

/** Evidence of incidents: content that is named by its digest, so that the ledger can say what was kept. */
export interface EvidenceStore {
  /** Keeping the same content again is keeping it once. */
  keep(service: string, incident: string, digest: string, content: string, form?: EvidenceForm): Promise<void>;
  /** Null when it is not there. Rejects when it was changed since it was kept. */
  read(service: string, incident: string, digest: string, form?: EvidenceForm): Promise<string | null>;
}

/**
 * Texts as vectors: the nearer two vectors are, the more alike their texts. Vectors of different embedders are never
 * comparable, so each answer says which one made it.
 */
export interface Embedder {
  /**
   * One vector a text, in order, each of length 1. `by` names embedder and model, digest included where it is known.
   * Long texts are cut. Rejects with `EmbedderMissing` (package or model are not there; says what
   * to do), `EmbedderUnreachable`, `EmbeddingRefused` (an answer that is none), or the reason of the signal.
   */
  embed(texts: readonly string[], signal: AbortSignal): Promise<{ by: string; vectors: Float32Array[] }>;
}

/** Good answers of one version, kept to compare later ones with: vectors and counts, no text. */
export interface FrozenAnswers {
  /** Embedder of the vectors; those of another one cannot be compared with them. */
  readonly by: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly answers: readonly SeenAnswer[];
  /** For canaries: the prompt of each answer. */
  readonly prompts?: readonly string[];
}

export interface AnswerBaselines {
  /** Null where nothing was frozen. `digest` names the content, for verdicts and ledger. */
  read(
    service: string,
    version: string,
    kind: 'window' | 'canary',
  ): Promise<{ frozen: FrozenAnswers; digest: string } | null>;
  /** Replaces what was frozen before; durable when it resolves. */
  freeze(service: string, version: string, kind: 'window' | 'canary', frozen: FrozenAnswers): Promise<void>;
}

/** How the answers of a language model are checked; a service without it has no such checks. */
export interface AnswerChecks {
  readonly embedder: Embedder;
  readonly baselines: AnswerBaselines;
  /** Name by which the server knows the model. */
  readonly model: string;
  /** Answers of one window, and of the baseline. */
  readonly windowAnswers: number;
  readonly baselineAnswers: number;
  /** Null: golden probes are not asked again. */
  readonly canaryEveryMs: number | null;
  readonly features: FeatureOptions;
}

export interface Alerts {
  /** Delivers to every configured sink; a sink that fails is reported, and never holds up the others. */
  send(alert: Alert): Promise<{ delivered: string[]; failed: { sink: string; why: string }[] }>;
}

export interface Ledger {
  /**
   * One transaction under the chain's lock. The same key with the same content is success again (`repeated`); with
   * other content it rejects with `LedgerConflict`.
   */
  append(entry: LedgerEntry): Promise<{ seq: number; hash: string; repeated: boolean }>;
  /** Entries in order of their sequence. */
  read(
    service: string,
    query?: {
      afterSeq?: number;
      incident?: string;
      kinds?: readonly string[];
      untilMs?: number;
      limit?: number;
      newestFirst?: boolean;
    },
  ): Promise<ChainedEntry[]>;
  /** The newest entry that carries a whole service state, for a service workflow that starts without one. */
  head(service: string): Promise<{ seq: number; hash: string } | null>;
  /** Recomputes the chain; every break is located. `expectedHead` finds a tail that was cut. */
  verify(
    service: string,
    expectedHead?: { seq: number; hash: string },
  ): Promise<{ ok: boolean; entries: number; breaks: { seq: number; problem: string }[] }>;
  services(): Promise<string[]>;
}

/** How well the data profiles of versions fit what a service is asked now. */
export interface InputFits {
  /** What was measured last, by version; empty before the first measurement. Never waits. */
  latest(service: string): ReadonlyMap<string, InputFit>;
}

/** How a step reads the service's own decisions immediately before an effect. */
export interface StandingView {
  readonly breakerOpen: boolean;
  readonly breakerEpoch: number;
  readonly pausedUntil: number | null;
  /** Ledger, router and service disagree about the route; a person must look. */
  readonly pausedWhy: string | null;
  readonly incident: string | null;
  readonly grant: { readonly incident: string; readonly from: number; readonly to: number } | null;
  readonly unusable: readonly {
    readonly version: string;
    readonly standing: 'quarantined' | 'revoked';
    readonly why: string;
  }[];
}
export interface ServiceStanding {
  read(service: string): Promise<StandingView>;
}

/** What an environment is asked beside the service and the moment. */
export interface EnvironmentQuestion {
  /** Interval of the degradation's onset: what began after it, or was caused by it, is no cause. */
  readonly onset?: { readonly lowMs: number; readonly highMs: number };
  /** Users wait: the answer comes from what was read before, and what is old is unmeasured; nothing slow is read. */
  readonly known?: boolean;
}

/** State of inputs, users, machines and of what the service depends on, for the attribution. */
export interface Environment {
  /**
   * Names of what changed since `sinceMs` against its own history, and of what could not be asked. `facts` by name:
   * `state`, and where there are any `words` (value, limit, since when) and `where` (to look) for people.
   */
  assess(
    service: string,
    sinceMs: number,
    about?: EnvironmentQuestion,
  ): Promise<{ changed: string[]; unmeasured: string[]; facts: { [key: string]: Json } }>;
}

export type * from './ports/metric-series';
export type * from './ports/output-cache';
export type { DetectionLimits, DrillRequests } from './ports/drills';
export type { Actor, Alert, AlertSeverity };
export type * from './ports/pipeline';

export type * from './ports/faults';
