import type { TrafficRouter } from '../../../activities/ports';
import { sameRoute, type RouteRecord } from '../../../domain/route';
import { routeRecordSchema, type ApplyResult, type RouterState } from '../../../gateway/protocol';
import { withFileLock } from '../../disk/file-lock';
import { z } from 'zod';
import { HaproxyServiceUnknown } from './errors';
import { openGenerations, type Generation } from './generation';
import { needsLane, planLanes, versionsNamed } from './lanes';
import { keepRows, keptRows, pinnedSessions, rowsOfBoth, tableRows, type Held, type TableRow } from './kept-sessions';
import { address, checkedDirectory, hasSessions, lockFile, mapFile, type HaproxyService } from './layout';
import { entriesOf, type MapView } from './map-entries';
import { openMasterCli, type MasterCli } from './master-cli';
import type { HaproxyRouterOptions } from './options';
import { reachAll, reachOpened } from './reach';
import { fallbackOf, holdsOf, refusalOf, schemeRefusal, writtenBy, type Refusal } from './record-state';
import { busyLanes, inFlight, ofEach, SERVER_COUNTERS, viewOf } from './running';
import { selectorRefusal } from './selectors';
import { sequenceAt } from './sequence';
import { writeStartFiles } from './start-files';
import {
  announceRoute,
  readStoredRoute,
  recordDigest,
  writeStoredRoute,
  type StoredRoute,
  type WrittenRoute,
} from './stored-route';

/** Sessions that begin while a share lasts are kept so late at most. */
const SESSIONS_EVERY_MS = 10_000;

/**
 * HAProxy as a traffic router. Rejects with a `HaproxyError`; a refused record is a value.
 *
 * A record is first written down (with its epoch: what was ever written is never undercut), then put in force over one
 * connection, then synced, with what HAProxy reads at a start. So `apply` answers when it is in force and on disk, and the
 * disk is not waited for before users are moved. One writer at a time by a lock beside those files; one that was held up
 * past its turn is refused by HAProxy itself, by the generation of the map that it had opened before it looked.
 */
export function haproxyRouter(options: HaproxyRouterOptions): TrafficRouter & { close(): Promise<void> } {
  const { services, masterSocket } = options;
  const directory = checkedDirectory(options.directory);
  const deadlineMs = options.deadlineMs ?? 2_000;
  const lockWaitMs = options.lockWaitMs ?? 1_000;
  let queue: Promise<unknown> = Promise.resolve();
  const remembered = new Map<string, { readonly epoch: number; readonly at: number; readonly held: number }>();

  /** Looks up only what was configured: a name becomes part of files and commands. */
  function known(name: string): HaproxyService {
    const service = services.find((one) => one.name === name);
    if (service === undefined) throw new HaproxyServiceUnknown(`no such service: ${name}`);
    return service;
  }

  function alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = queue.then(() => withFileLock(lockFile(directory), lockWaitMs, work));
    queue = turn.catch(() => undefined);
    return turn;
  }

  async function conversation<T>(work: (cli: MasterCli) => Promise<T>): Promise<T> {
    const cli = await openMasterCli(masterSocket, deadlineMs);
    try {
      return await work(cli);
    } finally {
      cli.close();
    }
  }

  async function read(name: string): Promise<RouterState> {
    const service = known(name);
    const stored = await readStoredRoute(directory, name);
    const now = Date.now();
    const state = await conversation(async (cli) => {
      const [current] = await cli.workers();
      const worker = (current as { pid: number }).pid;
      const view = await viewOf(cli, worker, mapFile(directory, name));
      const written = writtenBy(stored, view);
      const stats = await ofEach(cli, ({ pid }) => cli.ask(pid, SERVER_COUNTERS));
      const holds = written === null ? new Map<string, number>() : holdsOf(written.record, now);
      const table = hasSessions(service) && holds.size > 0 ? await tableRows(cli, worker, service) : [];
      return { view, written, holds, table, inFlight: inFlight(stats.values(), name, stored.lanes) };
    });
    const { view, written, holds, table } = state;
    await rememberFallback(name, stored, view);
    const held = { numbers: stored.numbers, holds };
    const rows = holds.size === 0 ? [] : rowsOfBoth(table, await keptRows(directory, service));
    if (written !== null) await rememberSessions(service, written.record.epoch, rows, held);
    return {
      service: name,
      record: written?.record ?? null,
      // A route that nobody here wrote: what is applied next must be above it.
      floor: written === null ? Math.max(stored.floor, view.digest === null ? 0 : view.epoch + 1) : stored.floor,
      inForceSince: written?.at ?? null,
      fallback: written === null ? null : fallbackOf(written.record, view.fallbackSince),
      inFlight: state.inFlight,
      pinned: pinnedSessions(rows, service, held, now),
      lastSeq: sequenceAt(now),
    };
  }

  /** HAProxy keeps it in memory only; the next start must find it. */
  async function rememberFallback(name: string, stored: StoredRoute, { epoch, fallbackSince }: MapView): Promise<void> {
    if (fallbackSince === null || (stored.fallback?.epoch === epoch && stored.fallback.since === fallbackSince)) return;
    await alone(async () => {
      const now = await readStoredRoute(directory, name);
      if (now.intended === null || now.intended.record.epoch !== epoch) return;
      const next = { ...now, fallback: { epoch, since: fallbackSince } };
      await writeStoredRoute(directory, name, next);
      await writeStartFiles(options, name, next, next.intended as WrittenRoute);
    });
  }

  /**
   * For a full restart of HAProxy. Not under the lock, for no shift may wait for it: a file that was overtaken lacks some
   * sessions until the next look. A disk that fails costs pins at a restart, no look at the route.
   */
  async function rememberSessions(
    service: HaproxyService,
    epoch: number,
    rows: readonly TableRow[],
    held: Held,
  ): Promise<void> {
    if (!hasSessions(service)) return;
    const [last, now] = [remembered.get(service.name), performance.now()];
    const same = last?.epoch === epoch && last.held === held.holds.size;
    if (last && same && (last.held === 0 || now - last.at < SESSIONS_EVERY_MS)) return;
    remembered.set(service.name, { epoch, at: now, held: held.holds.size });
    await keepRows(directory, service, rows, held).catch(() => remembered.delete(service.name));
  }

  async function apply(input: RouteRecord): Promise<ApplyResult> {
    const { name } = known(input.service);
    const parsed = routeRecordSchema.safeParse(input);
    const result = await alone(() =>
      conversation(async (cli) => {
        // A guess, so that the counters come along instead of being asked for while users wait; what counts is read below.
        const reading = readStoredRoute(directory, name).catch(() => null);
        const [before, workers] = await Promise.all([reading, cli.workers()]);
        const withCounters = before !== null && parsed.success && needsLane(before, parsed.data);
        // Opened before anything is looked at: if this process is held up from here on, a later one wins.
        let looking: Promise<StoredRoute> | undefined;
        const look = (): Promise<StoredRoute> => (looking ??= readStoredRoute(directory, name));
        const onOpened = (): void => void look().catch(() => undefined);
        const opened = await openGenerations(cli, workers, mapFile(directory, name), { withCounters, onOpened });
        return await applyAlone(cli, opened, await look(), name, parsed);
      }),
    );
    // The users are moved; those who may stay are written down before it is said, as far as that can be had.
    const holds = result.applied && parsed.success && holdsOf(parsed.data, Date.now()).size > 0;
    if (holds) await read(name).catch(() => undefined);
    return result;
  }

  async function applyAlone(
    cli: MasterCli,
    opened: readonly Generation[],
    stored: StoredRoute,
    name: string,
    parsed: ReturnType<typeof routeRecordSchema.safeParse>,
  ): Promise<ApplyResult> {
    const file = mapFile(directory, name);
    const view = opened[0]?.view;
    const inForce = view === undefined ? null : writtenBy(stored, view);
    const highest = Math.max(stored.intended?.record.epoch ?? 0, inForce === null ? (view?.epoch ?? 0) : 0);
    const refused = (why: Refusal['why'], detail: string): Refusal => {
      return { applied: false, why, epoch: highest, floor: stored.floor, detail };
    };
    if (!parsed.success) return refused('invalid', z.prettifyError(parsed.error));
    const record = parsed.data;
    const again = stored.intended !== null && sameRoute(stored.intended.record, record) ? stored.intended : null;
    if (again !== null && view?.digest === again.digest) {
      // The attempt that put it in force may have ended before it was on disk.
      await writeStoredRoute(directory, name, stored);
      await writeStartFiles(options, name, stored, again);
      return { applied: true, epoch: record.epoch, persistedAt: again.at };
    }
    if (again === null) {
      const refusal = refusalOf(record, stored, highest);
      if (refusal !== null) return refused(refusal.why, refusal.detail);
    }
    // Only who needs a new lane asks which are busy: the counters are most of what HAProxy would have to answer.
    const busy = needsLane(stored, record) ? busyLanes(await countersOf(cli, opened), name) : new Set<number>();
    const scheme = schemeRefusal(record, known(name));
    if (scheme !== null) return refused('invalid', scheme);
    const unnamed = selectorRefusal(record, versionsNamed(record), known(name));
    if (unnamed !== null) return refused('invalid', unnamed);
    const planned = planLanes(stored, record, busy);
    if ('refused' in planned) return refused('invalid', planned.refused);
    const { plan } = planned;
    const written = again ?? { record, digest: recordDigest(record), at: Date.now() };
    const kept = again !== null && stored.fallback?.epoch === record.epoch ? stored.fallback : null;
    const since = kept?.since ?? (again === null ? null : (view?.fallbackSince ?? null));
    const next: StoredRoute = {
      ...stored,
      intended: written,
      // As seen, not as remembered: an attempt whose answer was lost may have put it in force.
      confirmed: inForce ?? stored.confirmed,
      lanes: plan.lanes,
      numbers: plan.numbers,
      fallback: since === null ? null : { epoch: record.epoch, since },
    };
    const { digest } = written;
    const entries = entriesOf(record, plan, { digest, fallbackSince: since, former: inForce?.record ?? null });
    const change = { file, service: name, plan, entries };
    const left = await reachOpened(cli, opened, change, announceRoute(directory, name, next));
    await writeStoredRoute(directory, name, next);
    await writeStartFiles(options, name, next, written);
    await reachAll(cli, left, { ...change, digest, epoch: record.epoch });
    return { applied: true, epoch: record.epoch, persistedAt: written.at };
  }

  async function countersOf(cli: MasterCli, opened: readonly Generation[]): Promise<string[]> {
    const known = opened.flatMap(({ counters }) => counters ?? []);
    if (known.length === opened.length) return known;
    return [...(await ofEach(cli, ({ pid }) => cli.ask(pid, SERVER_COUNTERS))).values()];
  }

  return {
    read,
    apply,
    async fence(name, epoch) {
      known(name);
      return await alone(async () => {
        const stored = await readStoredRoute(directory, name);
        if (epoch <= stored.floor) return stored.floor;
        await writeStoredRoute(directory, name, { ...stored, floor: epoch });
        return epoch;
      });
    },
    async drained(name, version) {
      const state = await read(name);
      const running = state.inFlight[version] ?? 0;
      const pinned = state.pinned[version]?.sessions ?? 0;
      return { drained: running === 0 && pinned === 0, inFlight: running, pinned };
    },
    entrance(name) {
      return new Promise((resolve) => {
        // Marks the line of the answer record; HAProxy has no metric that a probe could be kept out of.
        const service = known(name);
        const scheme = (service.tls ?? null) === null ? 'http' : 'https';
        resolve({ address: `${scheme}://${address(service)}`, probeHeaders: { 'x-lastgood-probe': 'lastgood' } });
      });
    },
    close: () => Promise.resolve(),
  };
}
