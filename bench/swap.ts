import { BadUse, medianRow, missingRow, quantile, row, type Bench, type Row, type RowOptions } from './report';
import { STATES, swapOnce, type TargetState } from './swap/episode';
import type { SwapMeasure } from './swap/judge';
import { installedWays, isOurs, WAYS } from './traffic/installed-ways';
import { USERS, Users } from './traffic/load';
import { Server } from './traffic/servers';
import { SESSION_MAX_MS, type Way, type WayName } from './traffic/way';

const OURS = 20;
const PEERS = 5;
/** Fewer requests in a swap say nothing about it. */
const REQUESTS_MIN = 300;

type Measures = Record<TargetState, SwapMeasure[]>;

/**
 * Moves all traffic from one version to another under load, again and again, by our two routers and by peers. `--swaps N` of
 * ours for each kind of target (at least 20 count), `--ways LIST`.
 */
export const bench: Bench = async ({ more, say }) => {
  const { swaps, ways } = planOf(more);
  const installed = installedWays();
  const rows: Row[] = [];
  const measured = new Map<WayName, Measures>();
  for (const name of ways) {
    const start = installed[name];
    if (typeof start === 'string') say(`${name}: ${start}`);
    else measured.set(name, await swapsOf(await start(), isOurs(name) ? swaps : Math.min(swaps, PEERS), say));
  }
  for (const state of STATES) {
    for (const name of ways) {
      const start = installed[name];
      const why = typeof start === 'string' ? start : null;
      rows.push(...rowsOf(`${state}.${name}`, why, measured.get(name)?.[state] ?? [], isOurs(name)));
    }
  }
  const policy = { users: USERS, sessionMaxMs: SESSION_MAX_MS, swaps, peerSwaps: Math.min(swaps, PEERS) };
  return { policy, rows };
};

/** The kinds of target in turn, so that a loaded moment of the machine does not meet one of them alone. */
async function swapsOf(way: Way, count: number, say: (line: string) => void): Promise<Measures> {
  const measures: Measures = { warm: [], cold: [], late: [] };
  let live = await Server.start('1');
  await live.ready();
  await way.move({ primary: live, standby: null, pins: null });
  const users = await Users.start({ ...USERS, entrance: way.entrance, sessionMs: SESSION_MAX_MS + 400 });
  try {
    let version = 1;
    for (let turn = 0; turn < count; turn += 1) {
      for (const state of STATES) {
        version += 1;
        const { measure, now } = await swapOnce(way, users, live, { state, version: String(version) });
        live = now;
        measures[state].push(measure);
        say(`${state} ${way.name} ${turn + 1}: ${JSON.stringify(measure)}`);
      }
    }
  } finally {
    await users.stop();
    await way.stop();
    live.kill();
  }
  return measures;
}

function rowsOf(name: string, notThere: string | null, measures: readonly SwapMeasure[], ours: boolean): Row[] {
  const few = measures.find(({ requests }) => requests < REQUESTS_MIN);
  const why = notThere ?? (few ? `a swap with ${few.requests} requests; at least ${REQUESTS_MIN} are needed` : null);
  const target = (value: number): RowOptions => (ours ? { target: value } : {});
  const count = (row: string, values: readonly number[], missing: string | null = why): Row =>
    missing === null ? summed(`${name}.${row}`, values) : missingRow(`${name}.${row}`, '', missing, { better: 'zero' });
  const shifts = measures.map(({ shiftMs }) => shiftMs);
  const pins = measures.map(({ pinsWrong }) => pinsWrong ?? 0);
  const noPins = ours ? why : (why ?? 'it has no pins that hold over a change of version');
  if (why !== null) {
    const missing = (what: string, unit: string, value: number): Row =>
      missingRow(`${name}.${what}`, unit, why, target(value));
    const timed = [missing('shift.p50', 'ms', 10), missing('shift.max', 'ms', 30), missing('p99.ratio', '', 1.5)];
    return [...['failed', 'streams.cut', 'mixed', 'pins.wrong'].map((what) => count(what, [])), ...timed];
  }
  return [
    count('failed', measures.map(({ failed }) => failed)), // prettier-ignore
    count('streams.cut', measures.map(({ streamsCut }) => streamsCut)), // prettier-ignore
    count('mixed', measures.map(({ mixed }) => mixed), noPins), // prettier-ignore
    count('pins.wrong', pins, noPins),
    medianRow(`${name}.shift.p50`, 'ms', shifts, target(10)),
    row(`${name}.shift.max`, 'ms', quantile(shifts, 1), shifts, target(30)),
    medianRow(`${name}.p99.ratio`, '', measures.map(({ p99Ratio }) => p99Ratio), target(1.5)), // prettier-ignore
  ];
}

/** All of a run together: one failure in twenty swaps must not hide behind a median. */
function summed(name: string, values: readonly number[]): Row {
  return row(name, '', values.reduce((sum, value) => sum + value, 0), values, { better: 'zero' }); // prettier-ignore
}

function planOf(given: Readonly<Record<string, string>>): { swaps: number; ways: readonly WayName[] } {
  for (const name of Object.keys(given)) {
    if (name !== 'swaps' && name !== 'ways') throw new BadUse(`--${name}: unknown, expected --swaps or --ways`);
  }
  const swaps = Number(given['swaps'] ?? OURS);
  if (!(Number.isInteger(swaps) && swaps > 0))
    throw new BadUse(`--swaps: found ${given['swaps']}, expected a whole number above 0`);
  const names = given['ways']?.split(',') ?? [...WAYS];
  const ways = names.map((name) => {
    const found = WAYS.find((known) => known === name);
    if (!found) throw new BadUse(`--ways: found ${name}, expected some of ${WAYS.join(', ')}`);
    return found;
  });
  return { swaps, ways };
}
