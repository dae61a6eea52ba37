import type { AnswerReason, Degradation, Gap, RouteRecord } from '../domain/route';
import { AnswerReader } from './answer-reader';
import { AnswerRecord, linePrefix } from './answer-record';
import { AnswerCache } from './cache/answer-cache';
import { Deadlines } from './deadlines';
import { Degrader } from './degrader';
import { Feedback } from './feedback';
import { Observations } from './observations';
import type { ServiceMeters } from './metrics';
import { Mirror } from './mirror';
import type { ApplyResult, GatewayServiceConfig, RouterState, StoredService } from './protocol';
import type { ReturnCheck } from './return-check';
import { RouteStore } from './route-store';
import { chooseVersion, mainVersion, mirrorShare, type Choice } from './routing';
import { Samples } from './samples';
import { SessionIds } from './session-ids';
import { Sessions } from './sessions';
import type { Storage } from './storage';
import { storedServices } from './stored-state';
import { ItemIds } from './item-ids';
import { GapAnswers } from './gap-answers';
import { counted, TelemetryRecorder, type Counted } from './telemetry-recorder';
import { gapRow, TelemetryStore } from './telemetry-store';
import type { TlsEntrance } from './tls-entrance';
import { Upstreams, type Lane, type Target } from './upstream';
import { UpstreamConnector } from './upstream-connector';

/** A lane under one epoch and reason, with all that is the same for each of its requests made once. */
export interface Way {
  readonly lane: Lane;
  readonly choice: Choice;
  readonly epoch: number;
  readonly counted: Counted;
  /** Only of a drill: what its answers are made to be. */
  readonly degrade: Degradation | null;
  prefixOf(target: Target): string;
}

/** All that belongs to one service: its route, its sessions, its counters, its records. */
export class Service {
  readonly telemetry: TelemetryStore;
  readonly recorder: TelemetryRecorder;
  readonly route: RouteStore;
  readonly sessions: Sessions;
  readonly answers: AnswerRecord;
  readonly reader: AnswerReader;
  readonly samples: Samples;
  readonly feedback: Feedback;
  readonly observations: Observations;
  readonly deadlines: Deadlines;
  readonly upstreams: Upstreams;
  readonly gapAnswers: GapAnswers;
  /** Null where answers are not kept for other requests. */
  readonly cache: AnswerCache | null;
  readonly degrader: Degrader;
  readonly mirror: Mirror;
  private readonly connector: UpstreamConnector;
  /** Null where clients come in without TLS. */
  entrance: TlsEntrance | null = null;
  readonly sessionIds: SessionIds;
  readonly itemIds: ItemIds;
  /** When the telemetry of this service was last read by a follower or otherwise; the start counts as read. */
  readAtMs: number;
  /** Holds new requests while peers are asked for a newer record; null where there are none. */
  returning: ReturnCheck | null = null;
  private lanes = new Map<string, Lane>();
  private ways = new Map<string, Way>();

  constructor(
    readonly config: GatewayServiceConfig,
    private readonly storage: Storage,
    dataDir: string,
    readonly meters: ServiceMeters,
    readonly probeToken: string,
    nowMs: number,
  ) {
    const { name, sessionMaxMs, firstByteMs, requestMaxMs } = config;
    this.telemetry = new TelemetryStore(storage, name);
    this.recorder = new TelemetryRecorder(this.telemetry, (row) => meters.add(row));
    this.route = new RouteStore(storage, this.telemetry, name, config.repeatable);
    this.sessions = new Sessions(storage, name, sessionMaxMs, nowMs);
    this.answers = new AnswerRecord(dataDir, name, config.answerRetentionDays, (fromMs, toMs) =>
      this.telemetry.offer([{ row: gapRow(fromMs, toMs, 'the answer record could not be written') }]),
    );
    this.reader = new AnswerReader(config.answer);
    this.samples = new Samples(storage, name, config.samples, config.legalHold === true);
    const limits = { horizonMs: config.feedbackHorizonMs, requestMaxMs };
    this.degrader = new Degrader(this.reader);
    this.mirror = new Mirror(this);
    this.feedback = new Feedback(storage, name, this.answers, this.recorder, this.samples, limits, this.mirror);
    this.observations = new Observations(storage, name, config.pushed, config.feedbackHorizonMs);
    this.deadlines = new Deadlines(firstByteMs, requestMaxMs);
    this.connector = new UpstreamConnector(name, config.upstreamTls);
    this.upstreams = new Upstreams(requestMaxMs, this.connector.connect);
    this.gapAnswers = new GapAnswers(this.telemetry);
    this.sessionIds = new SessionIds(config);
    this.itemIds = new ItemIds(config);
    this.readAtMs = nowMs;
    this.cache = config.cache && config.repeatable ? new AnswerCache(config.cache, nowMs) : null;
    this.openLanes(null);
  }

  /** At once, or when peers have said which route is the newest; looked at again then, for there may be a second gap. */
  whenRouted(enter: () => void): void {
    const held = this.returning?.held(performance.now());
    if (held) void held.then(() => this.whenRouted(enter));
    else enter();
  }

  /** The way of a new request, or null where there is no route yet. */
  choose(session: string | undefined, nowMs: number): Way | null {
    const { record, fallback } = this.route;
    if (!record) return null;
    const pinned = session === undefined ? undefined : this.sessions.versionOf(session, nowMs);
    return this.way(chooseVersion(record, nowMs, pinned, fallback, Math.random()));
  }

  /** Where copies of requests go now, and which part of them; null where there is no drill on copies. */
  mirrorWay(nowMs: number): { readonly way: Way; readonly weight: number; readonly drill: string } | null {
    const { record } = this.route;
    const share = record === null ? undefined : mirrorShare(record, nowMs);
    if (share?.drill === undefined) return null;
    const way = this.way({ version: share.version, reason: 'drill' });
    return way && { way, weight: share.weight, drill: share.drill };
  }

  /** The way of requests that no pin and no share takes. */
  main(): Way | null {
    const { record, fallback } = this.route;
    return record ? this.way(mainVersion(record, fallback)) : null;
  }

  /** The gap that the route declares; null while somebody serves. */
  get gap(): Gap | null {
    return this.route.record?.gap ?? null;
  }

  apply(input: unknown, nowMs: number): ApplyResult {
    const before = this.route.record;
    this.gapAnswers.flush();
    const result = this.route.apply(input, nowMs);
    if (this.route.record !== before) this.openLanes(before);
    return result;
  }

  /** See `RouteStore.takeUnwritten`. */
  takeUnwritten(record: RouteRecord, nowMs: number): boolean {
    const before = this.route.record;
    const taken = this.route.takeUnwritten(record, nowMs);
    if (taken) this.openLanes(before);
    return taken;
  }

  /** Moves to the declared fallback; null where none is declared. */
  beginFallback(reason: string): Way | null {
    const fallback = this.route.beginFallback(reason, Date.now());
    return fallback ? this.way({ version: fallback.version, reason: 'fallback' }) : null;
  }

  /** Nobody decides about it any more: requests are passed on, and that is all. */
  get isDetached(): boolean {
    return this.route.record?.detached !== undefined;
  }

  state(nowMs: number): RouterState {
    const { record, floor, inForceSince, fallback } = this.route;
    return {
      service: this.config.name,
      record,
      floor,
      inForceSince,
      fallback,
      inFlight: this.upstreams.inFlight(),
      pinned: this.sessions.summary(record, nowMs),
      lastSeq: this.telemetry.lastSeq,
    };
  }

  /** For a backup: as it is on disk, with the sessions that are not written yet. */
  stored(): StoredService | null {
    this.sessions.flush();
    return storedServices(this.storage, this.config.name)[0] ?? null;
  }

  /** Everything before this moment is stored; what is later may still be lost with the process. */
  storedThrough(nowMs: number): number {
    return Math.min(this.answers.writtenThrough(nowMs), this.recorder.writtenThrough(nowMs));
  }

  /** `held`: the services under a legal hold. */
  housekeeping(nowMs: number, held: readonly string[]): void {
    this.sessions.sweep(nowMs);
    this.cache?.sweep(nowMs);
    if (held.includes(this.config.name)) return;
    this.answers.removeOld(nowMs);
    this.feedback.removeOld(nowMs);
    this.observations.removeOld(nowMs, held);
    if (this.samples.on) this.samples.trim(nowMs);
  }

  /** Writes everything down; after it only reads. */
  async stop(): Promise<void> {
    this.deadlines.stop();
    this.route.stop();
    this.gapAnswers.flush();
    this.feedback.commit();
    this.recorder.close();
    this.sessions.flush();
    this.samples.flush();
    await this.answers.drained();
    this.answers.close();
    this.connector.stop();
    this.upstreams.destroy();
  }

  private openLanes(before: RouteRecord | null): void {
    const { record } = this.route;
    if (!record) return;
    this.cache?.routed(record.primary, before?.share?.version ?? null, Date.now());
    this.lanes = this.upstreams.lanesOf(record);
    this.ways = new Map();
  }

  private way(choice: Choice): Way | null {
    const key = `${choice.version}|${choice.reason}`;
    const existing = this.ways.get(key);
    if (existing) return existing;
    const lane = this.lanes.get(choice.version);
    const epoch = this.route.record?.epoch ?? 0;
    if (!lane) return null;
    const degrade = choice.reason === 'drill' ? (this.route.record?.share?.degrade ?? null) : null;
    const way = makeWay(this.config.name, lane, choice, epoch, degrade);
    this.ways.set(key, way);
    return way;
  }
}

function makeWay(service: string, lane: Lane, choice: Choice, epoch: number, degrade: Degradation | null): Way {
  const prefixes = new Map<Target, string>();
  const prefixOf = (target: Target): string => {
    let prefix = prefixes.get(target);
    if (prefix === undefined) {
      prefix = linePrefix(service, choice.version, target.backend, epoch, choice.reason);
      prefixes.set(target, prefix);
    }
    return prefix;
  };
  return { lane, choice, epoch, counted: counted(choice.version, epoch, cohortOf(choice.reason)), degrade, prefixOf };
}

function cohortOf(reason: AnswerReason): 'live' | 'drill' {
  return reason === 'drill' ? 'drill' : 'live';
}
