import { killLive, takeover, type Killed } from './scale/episodes';
import { atOnce, type Look } from './scale/histories';
import { planOf, type Plan } from './scale/options';
import { cpuSeconds, memoryMib } from './scale/processes';
import { profile } from './scale/profile';
import { pause, Site } from './scale/site';
import { medianRow, missingRow, NotMeasured, quantile, row, type Bench, type Row } from './report';

const STARTED_LIMIT_MS = 20 * 60_000;
const DAY_S = 86_400;
/** What a start leaves behind (first assessments, first standbys) is no part of the window. */
const SETTLE_MS = 60_000;
/** After the window, so that it costs nothing there. */
const PROFILE_MS = 20_000;

/** One controller, one Temporal dev server and one gateway with many services: what they cost at rest, and when they break. */
export const bench: Bench = async ({ more, say }) => {
  const plan = planOf(more);
  const began = performance.now();
  // A start takes minutes with many services; what has begun ends with it.
  const starting = new AbortController();
  const giveUp = (): void => starting.abort();
  process.once('SIGINT', giveUp);
  process.once('SIGTERM', giveUp);
  const site = await Site.start(plan, say, starting.signal);
  process.off('SIGINT', giveUp);
  process.off('SIGTERM', giveUp);
  const interrupted = (): void => void site.stop().then(() => process.exit(130));
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    const watched = await allWatched(site, began, say);
    await site.prepareVictims();
    site.beginUsers();
    say(`everything runs; ${SETTLE_MS / 1_000} s until the window of ${plan.windowMs / 60_000} min`);
    await pause(SETTLE_MS);
    const window = await costs(site, plan, say);
    if (plan.profile !== null) say(`profile: ${await profile(site.pid('controller'), PROFILE_MS, plan.profile)}`);
    const kills = await eachKill(site, plan, say);
    const taken: number[] = [];
    for (let kill = 1; kill <= Math.max(1, Math.min(2, plan.kills)); kill += 1) {
      const seconds = await takeover(site);
      taken.push(...seconds);
      say(
        `takeover ${kill}: median ${quantile(seconds, 0.5).toFixed(1)} s, longest ${Math.max(...seconds).toFixed(1)} s`,
      );
    }
    const { services, busy } = plan;
    const policy = {
      services,
      busy,
      minutes: plan.windowMs / 60_000,
      idle: 'runtime external, one server',
      victims: site.victims.length,
    };
    return {
      policy,
      rows: [
        row('services', '', site.services.length, [site.services.length], { target: 1_000, better: 'higher' }),
        row('startup.watched', 's', watched / 1_000),
        ...window,
        row('takeover.p99', 's', quantile(taken, 0.99), taken, { target: 10 }),
        ...killRows(kills),
      ],
    };
  } finally {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
    await site.stop();
  }
};

/** Milliseconds from the start until the last service is watched; victims are as soon as they have a version. */
async function allWatched(site: Site, began: number, say: (line: string) => void): Promise<number> {
  let waiting = site.services.filter((service) => !site.victims.includes(service));
  for (let told = 0; waiting.length > 0;) {
    const left: string[] = [];
    await atOnce(waiting, async (service) => {
      if (((await site.histories.watch(service))?.watchedBy ?? null) === null) left.push(service);
    });
    waiting = left;
    const elapsed = performance.now() - began;
    if (elapsed > STARTED_LIMIT_MS)
      throw new NotMeasured(`${left.length} services are not watched after ${STARTED_LIMIT_MS / 60_000} min`);
    if (elapsed - told > 10_000) {
      told = elapsed;
      say(`${site.services.length - left.length} services are watched after ${Math.round(elapsed / 1_000)} s`);
    }
    await pause(500);
  }
  return performance.now() - began;
}

/** CPU and memory of the parts, and the events that the histories have grown by, over the window. */
async function costs(site: Site, plan: Plan, say: (line: string) => void): Promise<Row[]> {
  const parts = ['controller', 'gateway', 'temporal'] as const;
  const pids = parts.map((part) => site.pid(part));
  const before = pids.map(cpuSeconds);
  const first = await site.histories.all(site.services);
  const firstAt = performance.now();
  const memory: number[] = [];
  for (const end = performance.now() + plan.windowMs; performance.now() < end;) {
    await pause(Math.min(10_000, plan.windowMs / 10));
    const now = memoryMib(pids[0] ?? 0);
    if (now !== null) memory.push(now.now);
  }
  const wall = (performance.now() - firstAt) / 1_000;
  const after = pids.map(cpuSeconds);
  const last = await site.histories.all(site.services);
  const between = (performance.now() - firstAt) / 1_000;
  const events = await grownBy(site, first, last);
  const percent = parts.map((_, at) => (100 * ((after[at] ?? NaN) - (before[at] ?? NaN))) / wall);
  say(
    `window: controller ${percent[0]?.toFixed(1)} %, gateway ${percent[1]?.toFixed(1)} %, Temporal ${percent[2]?.toFixed(1)} % of a core`,
  );
  const perDay = (names: readonly string[]): number[] =>
    names.map((name) => ((events.get(name) ?? NaN) * DAY_S) / between).filter(Number.isFinite);
  const idle = perDay(site.idle);
  const busy = perDay(site.busy.filter((name) => !site.victims.includes(name)));
  const lengths = [...last.values()].map(({ events: length }) => length);
  return [
    rowOr('controller.cpu', '%', percent[0], 50),
    memory.length === 0
      ? missingRow('controller.rss', 'MiB', 'the controller ended', { target: 1_024 })
      : row('controller.rss', 'MiB', Math.max(...memory), memory, { target: 1_024 }),
    idle.length === 0
      ? missingRow('events_per_service_day', '', 'no history was read', { target: 20_000 })
      : row('events_per_service_day', '', mean(idle), idle, { target: 20_000 }),
    medianRow('events_per_busy_service_day', '', busy),
    row('history.length.max', '', Math.max(...lengths), lengths),
    rowOr('gateway.cpu', '%', percent[1]),
    rowOr('temporal.cpu', '%', percent[2]),
    rowOr('temporal.rss', 'MiB', memoryMib(pids[2] ?? 0)?.now),
    rowOr('gateway.rss', 'MiB', memoryMib(pids[1] ?? 0)?.now),
  ];
}

/** Events of both workflows of a service together. */
async function grownBy(
  site: Site,
  first: ReadonlyMap<string, Look>,
  last: ReadonlyMap<string, Look>,
): Promise<Map<string, number>> {
  const grown = new Map<string, number>();
  await atOnce([...last], async ([id, now]) => {
    const then = first.get(id);
    if (then === undefined) return;
    const service = id.slice(id.indexOf('/') + 1);
    const more = await site.histories.between(id, then, now);
    grown.set(service, (grown.get(service) ?? 0) + more);
  });
  return grown;
}

async function eachKill(site: Site, plan: Plan, say: (line: string) => void): Promise<(Killed | string)[]> {
  const made: (Killed | string)[] = [];
  for (let kill = 0; kill < plan.kills && site.victims.length > 0; kill += 1) {
    const service = site.victims[kill % site.victims.length] ?? '';
    try {
      const one = await killLive(site, service);
      say(
        `${service} killed: settled after ${one.settledMs} ms, restored after ${one.restoredMs} ms, ${one.failed} failed`,
      );
      made.push(one);
    } catch (error) {
      if (!(error instanceof NotMeasured)) throw error;
      say(`${service}: not measured: ${error.message}`);
      made.push(error.message);
    }
  }
  return made;
}

function killRows(made: readonly (Killed | string)[]): Row[] {
  const measured = made.filter((one): one is Killed => typeof one !== 'string');
  const unmade = made.filter((one) => typeof one === 'string');
  const rows = [row('exposure.killed.not_measured', '', unmade.length, [unmade.length], { better: 'zero' })];
  if (measured.length === 0) {
    const why = unmade[0] ?? 'no process was killed';
    return [missingRow('exposure.killed.p99', 'ms', why, { target: 5_000 }), ...rows];
  }
  const settled = measured.map(({ settledMs }) => settledMs);
  const restored = measured.map(({ restoredMs }) => restoredMs);
  const failed = measured.map(({ failed: count }) => count);
  return [
    row('exposure.killed.p99', 'ms', quantile(settled, 0.99), settled, { target: 5_000 }),
    row('exposure.killed.restored.p99', 'ms', quantile(restored, 0.99), restored),
    row(
      'exposure.killed.failed',
      '',
      failed.reduce((sum, one) => sum + one, 0),
      failed,
    ),
    ...rows,
  ];
}

function rowOr(name: string, unit: string, value: number | undefined, target?: number): Row {
  const options = target === undefined ? {} : { target };
  if (value === undefined || !Number.isFinite(value))
    return missingRow(name, unit, 'the process ended in the window', options);
  return row(name, unit, value, [value], options);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
