import type { RouteRecord } from '../../../domain/route';
import { placeOf, type LanePlan } from './lanes';
import { selectorEntry, selectorOf } from './selectors';

export type Entries = readonly (readonly [key: string, value: string])[];

/** For what has no end of its own: later than every clock. */
const never = 9_999_999_999_999;

/**
 * What the rules of the frontend look up; see `config-text.ts`. Keys and values hold no spaces. A request looks up its route
 * first and its pin then: the pins of the `former` record stay beside the new ones, so that a change in between does not
 * move a session.
 */
export function entriesOf(
  record: RouteRecord,
  plan: LanePlan,
  route: { readonly digest: string; readonly fallbackSince: number | null; readonly former: RouteRecord | null },
): Entries {
  const { epoch, primary, share, fallback } = record;
  const { digest, fallbackSince, former } = route;
  const place = (version: string | undefined): [number, number] =>
    version === undefined ? [0, 0] : [plan.laneOf[version] ?? 0, plan.numbers[version] ?? 0];
  const fields = [
    epoch,
    ...place(primary),
    ...place(share?.version),
    Math.round((share?.weight ?? 0) * 10_000),
    Math.floor(share?.until ?? 0),
    shareReason(record),
    ...place(fallback),
    primary,
    share?.version ?? '-',
    fallback ?? '-',
  ];
  return [
    ...(former === null || former.epoch === epoch
      ? []
      : [...holdEntries(former, plan), ...copyEntries(former, plan), ...nameEntries(former, plan)]),
    ...holdEntries(record, plan),
    ...copyEntries(record, plan),
    ...nameEntries(record, plan),
    ...(fallbackSince === null ? [] : [[`fallback.${epoch}`, String(fallbackSince)] as const]),
    ['digest', digest],
    ['route', fields.join('|')],
  ];
}

/** Where sessions that began on a version may stay, and until when. */
function holdEntries(record: RouteRecord, plan: LanePlan): Entries {
  const { epoch, primary, share, pins } = record;
  const holds = new Map<string, { until: number; reason: string }>();
  for (const { version, until } of pins) {
    if (until > (holds.get(version)?.until ?? 0)) holds.set(version, { until: Math.floor(until), reason: 'pin' });
  }
  // A session that began on the share stays on it while the share runs: else it would change version at each request.
  if (share !== undefined) {
    const until = Math.max(Math.floor(share.until), holds.get(share.version)?.until ?? 0);
    holds.set(share.version, { until, reason: shareReason(record) });
  }
  holds.set(primary, { until: never, reason: 'primary' });
  return [...holds].flatMap(([version, { until, reason }]) => {
    const lane = Object.entries(plan.lanes).find(([, held]) => held.version === version)?.[0];
    const number = plan.numbers[version];
    if (lane === undefined || number === undefined) return [];
    return [[`hold.${epoch}.${number}`, `${lane}|${until}|${reason}|${version}`] as const];
  });
}

/** For the answer record: which copy of a version stands at an address. */
function copyEntries({ epoch, backends }: RouteRecord, plan: LanePlan): Entries {
  return Object.entries(backends).flatMap(([version, copies]) => {
    const number = plan.numbers[version];
    if (number === undefined) return [];
    return copies.flatMap(({ address, instance, digest }) => {
      const place = placeOf(address);
      // Only what cannot break a map or a line of the log; another one is not known by name in the record.
      if (place === null || !plain.test(instance) || !plain.test(digest)) return [];
      return [[`copy.${epoch}.${number}.${place.host}:${place.port}`, `${instance}|${digest}`] as const];
    });
  });
}

/** How requests name a version at its address. */
function nameEntries(record: RouteRecord, plan: LanePlan): Entries {
  return Object.keys(record.backends).flatMap((version) => {
    const [number, selector] = [plan.numbers[version], selectorOf(record, version)];
    const entry = selector === null ? null : selectorEntry(selector);
    return number === undefined || entry === null ? [] : [[`name.${record.epoch}.${number}`, entry] as const];
  });
}

const plain = /^[A-Za-z0-9@#._+:/-]{1,200}$/;

function shareReason({ share }: RouteRecord): 'share' | 'drill' {
  return share?.drill === undefined ? 'share' : 'drill';
}

/** The file that HAProxy reads at start. */
export function mapText(entries: Entries): string {
  return entries.map(([key, value]) => `${key} ${value}\n`).join('');
}

/** What a map holds of a route; all null and 0 where there is none. */
export interface MapView {
  readonly epoch: number;
  readonly digest: string | null;
  /** Since when the fallback of this very epoch is in use. */
  readonly fallbackSince: number | null;
}

/** @param answer of `show map`: address, key and value a line */
export function mapView(answer: string): MapView {
  const entries = new Map<string, string>();
  for (const line of answer.split('\n')) {
    const [, key, value] = line.trim().split(' ');
    if (key !== undefined && value !== undefined) entries.set(key, value);
  }
  const epoch = Number(entries.get('route')?.split('|')[0] ?? 0);
  const since = entries.get(`fallback.${epoch}`);
  return { epoch, digest: entries.get('digest') ?? null, fallbackSince: since === undefined ? null : Number(since) };
}
