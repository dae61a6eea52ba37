import type { CountsRow } from '../../gateway/protocol';
import { mannWhitney } from '../peers/statistics/two-sample';
import { DEPLOYED, MINUTE_MS, type World } from './world';

/** Other rules on the same rows. Each rolls back at its alarm: none of them asks for a cause. */
export const PEERS = {
  'fixed-threshold': fixedThreshold,
  'three-failures': threeFailures,
  'mann-whitney': mannWhitneyCanary,
  'burn-rate': burnRate,
} as const satisfies Record<string, Peer>;

export type PeerName = keyof typeof PEERS;

/** When it would roll back; null for never. */
type Peer = (world: World) => number | null;

/** Settings of the peers: thresholds as a person would write them who knows the service. */
export const PEER_SETTINGS = {
  threshold: { errors: 0.02, timeouts: 0.02, latencyRatio: 1.5, wrong: 0.1 },
  threeFailures: 3,
  mannWhitney: { confidence: 0.98, tolerance: 0.25, everyMinutes: 30, passScore: 75 },
  burnRate: { objective: 0.98, factors: [14.4, 6, 1] },
} as const;

/** The same moment's four numbers, each bad when it is high. */
const METRICS = {
  errors: (row: CountsRow): number => row.failures / row.requests,
  timeouts: (row: CountsRow): number => row.timeouts / row.requests,
  latency: (row: CountsRow): number => row.latency?.p95Ms ?? NaN,
  wrong: (row: CountsRow): number => {
    const counts = Object.values(row.labels);
    const n = counts.reduce((sum, one) => sum + one.n, 0);
    return n === 0 ? NaN : 1 - counts.reduce((sum, one) => sum + one.correct, 0) / n;
  },
};

function fixedThreshold(world: World): number | null {
  return failures(world).find(({ failed }) => failed)?.atMs ?? null;
}

function threeFailures(world: World): number | null {
  let run = 0;
  for (const { atMs, failed } of failures(world)) {
    run = failed ? run + 1 : 0;
    if (run === PEER_SETTINGS.threeFailures) return atMs;
  }
  return null;
}

function failures({ rows }: World): { atMs: number; failed: boolean }[] {
  const { errors, timeouts, latencyRatio, wrong } = PEER_SETTINGS.threshold;
  const before = rows.filter(({ version }) => version !== DEPLOYED).map(METRICS.latency);
  const usual = [...before].sort((left, right) => left - right)[before.length >> 1] ?? NaN;
  return rows
    .filter(({ version }) => version === DEPLOYED)
    .map((row) => ({
      atMs: row.toMs,
      failed:
        METRICS.errors(row) > errors ||
        METRICS.timeouts(row) > timeouts ||
        METRICS.latency(row) > latencyRatio * usual ||
        METRICS.wrong(row) > wrong,
    }));
}

/**
 * A canary judge with Kayenta's defaults, before against after: each metric fails where the test is significant at .98
 * and the shift is beyond a quarter of its own estimate; the score is the share that passes.
 */
function mannWhitneyCanary({ rows }: World): number | null {
  const { confidence, tolerance, everyMinutes, passScore } = PEER_SETTINGS.mannWhitney;
  const before = rows.filter(({ version }) => version !== DEPLOYED);
  const after = rows.filter(({ version }) => version === DEPLOYED);
  for (let end = everyMinutes; end <= after.length; end += everyMinutes) {
    const canary = after.slice(end - everyMinutes, end);
    const control = before.slice(-2 * everyMinutes);
    const failed = Object.values(METRICS).filter((of) => {
      const [now, then] = [canary.map(of), control.map(of)];
      // Kayenta moves the control by a quarter of the estimated shift before it tests.
      const shift = hodgesLehmann(now, then);
      if (!(shift > 0)) return false;
      const moved = then.map((value) => value + tolerance * shift);
      return mannWhitney(now, moved).pValue < 1 - confidence && hodgesLehmann(now, moved) > 0;
    });
    const score = 100 * (1 - failed.length / Object.keys(METRICS).length);
    if (score < passScore || failed.includes(METRICS.errors)) return canary.at(-1)?.toMs ?? null;
  }
  return null;
}

function hodgesLehmann(a: readonly number[], b: readonly number[]): number {
  const differences = Float64Array.from(a.flatMap((x) => b.map((y) => x - y))).sort();
  return differences[differences.length >> 1] ?? NaN;
}

/** Burn rates of an objective of 98 % good requests over a long and a short window: 1 h and 5 m, 6 h and 30 m, 3 d and 6 h. */
function burnRate({ rows }: World): number | null {
  const { objective, factors } = PEER_SETTINGS.burnRate;
  const windows = [
    [60, 5],
    [360, 30],
    [4_320, 360],
  ] as const;
  const bad = [0];
  const all = [0];
  for (const [at, { failures: failed, timeouts, requests }] of rows.entries()) {
    bad.push((bad[at] ?? 0) + Math.min(requests, failed + timeouts));
    all.push((all[at] ?? 0) + requests);
  }
  const burnt = (end: number, minutes: number): number => {
    const from = Math.max(0, end - minutes);
    return ((bad[end] ?? 0) - (bad[from] ?? 0)) / ((all[end] ?? 0) - (all[from] ?? 0)) / (1 - objective);
  };
  for (const [at, { version, fromMs }] of rows.entries()) {
    if (version !== DEPLOYED) continue;
    const alarm = windows.some(([long, short], index) => {
      const factor = factors[index] ?? Infinity;
      return burnt(at + 1, long) >= factor && burnt(at + 1, short) >= factor;
    });
    if (alarm) return fromMs + MINUTE_MS;
  }
  return null;
}
