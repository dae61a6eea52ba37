import { LIVE_DRILL_SHARE_MAX, sameRoute, type FallbackInUse, type RouteRecord } from '../domain/route';
import { describeIssues } from './config';
import { routeRecordSchema, type ApplyResult } from './protocol';
import type { Storage } from './storage';
import type { NewEventRow, TelemetryStore } from './telemetry-store';

interface Refusal {
  readonly why: Extract<ApplyResult, { applied: false }>['why'];
  readonly detail: string;
}

/**
 * The route record in force, the floor and the fallback in use of one service. Each change is on disk, together with
 * its numbered event, before it is in force: what was answered or used once is there after any restart. The one exception is
 * {@link takeUnwritten}.
 */
export class RouteStore {
  record: RouteRecord | null = null;
  floor = 0;
  inForceSince: number | null = null;
  fallback: FallbackInUse | null = null;
  /** In force by {@link takeUnwritten} and not on disk. */
  isUnwritten = false;
  private shareTimer: NodeJS.Timeout | null = null;

  constructor(
    private readonly storage: Storage,
    private readonly telemetry: TelemetryStore,
    private readonly service: string,
    private readonly repeatable = true,
  ) {
    const row = storage.prepare('SELECT * FROM services WHERE service = ?').get(service) as {
      record: string | null;
      floor: number;
      in_force_since: number | null;
      fallback: string | null;
    };
    this.record = row.record === null ? null : (JSON.parse(row.record) as RouteRecord);
    this.floor = row.floor;
    this.inForceSince = row.in_force_since;
    this.fallback = row.fallback === null ? null : (JSON.parse(row.fallback) as FallbackInUse);
    this.watchShare();
  }

  /** Puts a record in force, or says why not. The same record again changes nothing and is answered like the first time. */
  apply(input: unknown, nowMs: number): ApplyResult {
    const parsed = routeRecordSchema.safeParse(input);
    if (!parsed.success) return this.refused({ why: 'invalid', detail: describeIssues(parsed.error) });
    const record = parsed.data;
    const { record: current, inForceSince } = this;
    // First of all: a sender whose answer was lost must get it, even when the floor was raised meanwhile.
    const isSame = current !== null && sameRoute(current, record);
    if (isSame && inForceSince !== null && !this.isUnwritten) {
      return { applied: true, epoch: record.epoch, persistedAt: inForceSince };
    }
    const refusal = isSame ? null : this.refusalOf(record);
    if (refusal) return this.refused(refusal);

    const events: NewEventRow[] = [];
    if (this.fallback) events.push(event('fallbackEnded', this.fallback.version, record.epoch, nowMs, 'a new route'));
    events.push(event('routeApplied', record.primary, record.epoch, nowMs, describe(record)));
    this.telemetry.append(
      events.map((row) => ({ row })),
      () =>
        this.storage
          .prepare('UPDATE services SET record = ?, in_force_since = ?, fallback = NULL WHERE service = ?')
          .run(JSON.stringify(record), nowMs, this.service),
      true,
    );
    this.enforce(record, nowMs);
    this.isUnwritten = false;
    return { applied: true, epoch: record.epoch, persistedAt: nowMs };
  }

  /**
   * What the peers have in force already, where the disk refuses to keep it: better than a record that they left behind. False
   * where `apply` would refuse it. It is not answered for: after a restart the peers are asked again.
   */
  takeUnwritten(record: RouteRecord, nowMs: number): boolean {
    if (this.refusalOf(record) !== null) return false;
    this.enforce(record, nowMs);
    this.isUnwritten = true;
    return true;
  }

  private enforce(record: RouteRecord, nowMs: number): void {
    this.record = record;
    this.inForceSince = nowMs;
    this.fallback = null;
    this.watchShare();
  }

  /** Raises the floor; it never falls. Returns the floor in force. */
  fence(epoch: number, nowMs: number): number {
    if (epoch <= this.floor) return this.floor;
    this.telemetry.append(
      [{ row: event('fenced', null, epoch, nowMs, `records below epoch ${epoch} are refused`) }],
      () => this.storage.prepare('UPDATE services SET floor = ? WHERE service = ?').run(epoch, this.service),
      true,
    );
    this.floor = epoch;
    return epoch;
  }

  /** Goes to the declared fallback and stays there until a record with a higher epoch is in force. */
  beginFallback(reason: string, nowMs: number): FallbackInUse | null {
    const { record } = this;
    if (this.fallback || !record || record.fallback === undefined) return this.fallback;
    const fallback = { version: record.fallback, since: nowMs, epoch: record.epoch, reason };
    const began = { row: event('fallbackBegan', record.fallback, record.epoch, nowMs, reason) };
    const save = (): unknown =>
      this.storage
        .prepare('UPDATE services SET fallback = ? WHERE service = ?')
        .run(JSON.stringify(fallback), this.service);
    try {
      this.telemetry.append([began], save, true);
    } catch {
      // A database that refuses must not keep the traffic on a dead primary; the event waits for the next write.
      this.telemetry.offer([began]);
    }
    this.fallback = fallback;
    return fallback;
  }

  stop(): void {
    if (this.shareTimer) clearTimeout(this.shareTimer);
  }

  private refusalOf(record: RouteRecord): Refusal | null {
    const current = this.record;
    if (record.service !== this.service) {
      return { why: 'invalid', detail: `service: found ${record.service}, expected ${this.service}` };
    }
    if (current && record.epoch < current.epoch) {
      return { why: 'stale-epoch', detail: `epoch ${record.epoch} is below ${current.epoch}, which is in force` };
    }
    if (record.epoch < this.floor) {
      return { why: 'below-floor', detail: `epoch ${record.epoch} is below the floor ${this.floor}` };
    }
    if (current && record.epoch === current.epoch) {
      return { why: 'same-epoch-other-content', detail: `epoch ${record.epoch} is in force with another content` };
    }
    if (record.gap !== undefined) return refusalOfGap(record);
    // A share or fallback without a backend would be silently absent when it is needed.
    const roles = { primary: record.primary, share: record.share?.version, fallback: record.fallback };
    for (const [role, version] of Object.entries(roles)) {
      if (version !== undefined && (record.backends[version] ?? []).length === 0) {
        return { why: 'no-backend', detail: `backends.${version}: the ${role} has no backend` };
      }
    }
    return refusalOfDrill(record, this.repeatable);
  }

  private refused({ why, detail }: Refusal): ApplyResult {
    return { applied: false, why, epoch: this.record?.epoch ?? 0, floor: this.floor, detail };
  }

  /** The choice itself compares `until` with the clock; this only writes down that the share has ended. */
  private watchShare(): void {
    if (this.shareTimer) clearTimeout(this.shareTimer);
    this.shareTimer = null;
    const { record } = this;
    const share = record?.share;
    if (!record || !share || this.telemetry.hasEvent('shareEnded', record.epoch)) return;
    const wait = Math.min(Math.max(share.until - Date.now(), 0), 2 ** 31 - 1);
    this.shareTimer = setTimeout(() => {
      if (share.until > Date.now()) return this.watchShare();
      this.telemetry.offer([
        { row: event('shareEnded', share.version, record.epoch, share.until, 'its time is over') },
      ]);
    }, wait);
    this.shareTimer.unref();
  }
}

/** In a gap nobody serves: a copy that is named would be one that is about to be stopped. */
function refusalOfGap({ backends, share, fallback, pins }: RouteRecord): Refusal | null {
  const named = Object.keys(backends);
  if (named.length === 0 && share === undefined && fallback === undefined && pins.length === 0) return null;
  const found = named.length > 0 ? `copies of ${named.join(', ')}` : 'a share, a fallback or pins';
  return { why: 'invalid', detail: `gap: found ${found} beside it, expected none: nobody serves in a gap` };
}

/** What only a drill may do, and what it may never do to users. */
function refusalOfDrill({ share }: RouteRecord, repeatable: boolean): Refusal | null {
  if (!share || (share.mirror === undefined && share.degrade === undefined)) return null;
  const invalid = (detail: string): Refusal => ({ why: 'invalid', detail });
  if (share.drill === undefined) return invalid('share: found mirror or degrade, expected them with drill only');
  if (share.mirror && !repeatable)
    return invalid('share.mirror: requests of this service are not repeatable, so none is copied');
  if (share.degrade && !share.mirror && share.weight > LIVE_DRILL_SHARE_MAX)
    return invalid(`share.weight: found ${share.weight} with degrade, expected at most ${LIVE_DRILL_SHARE_MAX}`);
  return null;
}

function event(
  name: NewEventRow['event'],
  version: string | null,
  epoch: number,
  atMs: number,
  detail: string,
): NewEventRow {
  return { kind: 'event', fromMs: atMs, toMs: atMs, event: name, version, epoch, detail };
}

function describe(record: RouteRecord): string {
  const parts = [`primary ${record.primary}`];
  if (record.gap) parts.push(`nobody serves, at most until ${new Date(record.gap.until).toISOString()}`);
  if (record.share)
    parts.push(`${record.share.mirror ? 'copies to' : 'share'} ${record.share.version} ${record.share.weight}`);
  if (record.fallback !== undefined) parts.push(`fallback ${record.fallback}`);
  for (const pin of record.pins) parts.push(`pins ${pin.version}`);
  return parts.join(', ');
}
