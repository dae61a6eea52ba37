import { BadUse, medianRow, missingRow, row, type Bench, type Row } from './report';
import { installedWays, isOurs, WAYS } from './traffic/installed-ways';
import { pause, USERS, Users } from './traffic/load';
import { isFailed, monotonicMs } from './traffic/records';
import { Server } from './traffic/servers';
import { SESSION_MAX_MS, type Way } from './traffic/way';

const RUNS = 10;
const RUNS_MIN = 5;
const BEFORE_MS = 1_000;
const AFTER_MS = 2_000;
/** Requests of which the kill may have met one; those that were over before it say nothing. */
const AROUND_MS = 100;
const REQUESTS_MIN = 300;

interface Crash {
  readonly requests: number;
  /** Without an answer, or answered with an error; streams that failed before their first byte are among them. */
  readonly failed: number;
  readonly streamsCut: number;
  readonly latencyMaxMs: number;
}

/** SIGKILL of the live server under load, a warm standby beside it. `--runs N`, at least 5. */
export const bench: Bench = async ({ more, say }) => {
  for (const name of Object.keys(more)) if (name !== 'runs') throw new BadUse(`--${name}: unknown, expected --runs`);
  const runs = Number(more['runs'] ?? RUNS);
  if (!(Number.isInteger(runs) && runs >= RUNS_MIN))
    throw new BadUse(`--runs: found ${more['runs']}, expected a whole number from ${RUNS_MIN} on`);
  const rows: Row[] = [];
  const installed = installedWays();
  for (const name of WAYS) {
    const start = installed[name];
    if (typeof start === 'string') {
      say(`${name}: ${start}`);
      rows.push(...rowsOf(name, start, []));
    } else {
      rows.push(...rowsOf(name, null, await crashesOf(await start(), runs, say)));
    }
  }
  return { policy: { users: USERS, runs }, rows };
};

async function crashesOf(way: Way, runs: number, say: (line: string) => void): Promise<Crash[]> {
  const crashes: Crash[] = [];
  let [live, standby] = [await Server.start('1'), await Server.start('2')];
  await Promise.all([live.ready(), standby.ready()]);
  await way.move({ primary: live, standby, pins: null });
  // A route that was just changed is another benchmark's.
  await pause(BEFORE_MS);
  const users = await Users.start({ ...USERS, entrance: way.entrance, sessionMs: SESSION_MAX_MS });
  try {
    for (let run = 1; run <= runs; run += 1) {
      await pause(BEFORE_MS);
      const before = await users.take();
      const killedMs = monotonicMs();
      live.kill();
      await pause(AFTER_MS);
      const records = [...before, ...(await users.take())].filter(({ endedMs }) => endedMs >= killedMs - AROUND_MS);
      const crash = {
        requests: records.length,
        failed: records.filter(isFailed).length,
        streamsCut: records.filter(({ kind, lost }) => kind === 'stream' && lost === 'cut').length,
        latencyMaxMs: Math.max(
          ...records.filter(({ kind }) => kind !== 'stream').map(({ sentMs, endedMs }) => endedMs - sentMs),
        ),
      };
      crashes.push(crash);
      say(`${way.name} ${run}: ${JSON.stringify(crash)}`);
      // The standby has the traffic; the next one to be killed takes it from there.
      const next = await Server.start(String(run + 2));
      await next.ready();
      await way.move({ primary: standby, standby: next, pins: null });
      [live, standby] = [standby, next];
      await pause(BEFORE_MS);
      await users.take();
    }
  } finally {
    await users.stop();
    await way.stop();
    live.kill();
    standby.kill();
  }
  return crashes;
}

function rowsOf(name: string, notThere: string | null, crashes: readonly Crash[]): Row[] {
  const ours = isOurs(name as Way['name']);
  const few = crashes.find(({ requests }) => requests < REQUESTS_MIN);
  const why = notThere ?? (few ? `a run with ${few.requests} requests; at least ${REQUESTS_MIN} are needed` : null);
  const slowest = crashes.map(({ latencyMaxMs }) => latencyMaxMs);
  const latency = ours ? { target: 300 } : {};
  if (why !== null) {
    return [
      missingRow(`${name}.failed`, '', why, { better: 'zero' }),
      missingRow(`${name}.streams.cut`, '', why),
      missingRow(`${name}.latency.max`, 'ms', why, latency),
    ];
  }
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const failed = crashes.map((crash) => crash.failed);
  const cut = crashes.map(({ streamsCut }) => streamsCut);
  return [
    row(`${name}.failed`, '', sum(failed), failed, { better: 'zero' }),
    row(`${name}.streams.cut`, '', sum(cut), cut),
    medianRow(`${name}.latency.max`, 'ms', slowest, latency),
  ];
}
