import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { gatewayTelemetry } from '../adapters/telemetry/gateway';
import { assessmentOf, assessments, catchUp, policyOfAnHour, telemetryOf } from './detection-cost/assessments';
import { energyRow } from './detection-cost/energy';
import { BEGIN_MS, HOUR_MS, rowsBetween } from './detection-cost/hour';
import { CHART_KINDS, microsPerPoint } from './detection-cost/points';
import { Child } from './gateway-parts/processes';
import { BadUse, median, quantile, row, type Bench, type Row } from './report';

const POINTS = 50_000;
const ROUNDS = 7;
const DECISIONS = 300;
const BLOCK_ROUNDS = 5;
/** A state that still grows after so many points has no bound. */
const LONG = 200_000;

/** What detection costs: a point, a decision, and how long nothing else can run meanwhile. */
export const bench: Bench = async ({ seed, more, say }) => {
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) throw new BadUse(`--${unknown}: unknown, expected no option`);
  const policy = policyOfAnHour();
  const rows = [
    pointRow(seed, say),
    await decisionRow(seed, say),
    bytesRow(seed, say),
    await blockRow(seed, say),
    energyRow(),
  ];
  return { policy, rows };
};

/** The dearest kind of chart, CPU time. */
function pointRow(seed: number, say: (line: string) => void): Row {
  const costs = CHART_KINDS.map((kind) => {
    microsPerPoint(kind, POINTS, seed);
    const rounds = Array.from({ length: ROUNDS }, (_, round) => microsPerPoint(kind, POINTS, seed + round));
    say(`${kind.name} chart: ${median(rounds).toFixed(2)} µs a point`);
    return { rounds, middle: median(rounds) };
  });
  const dearest = costs.reduce((worst, cost) => (cost.middle > worst.middle ? cost : worst));
  return { ...row('point.us', 'µs', dearest.middle, dearest.rounds, { target: 20 }), n: ROUNDS * POINTS };
}

async function decisionRow(seed: number, say: (line: string) => void): Promise<Row> {
  const now = BEGIN_MS + HOUR_MS;
  const { decide } = assessments(telemetryOf(rowsBetween(BEGIN_MS, now, seed)));
  const input = assessmentOf(now, policyOfAnHour());
  const times: number[] = [];
  for (let index = 0; index < DECISIONS + 20; index += 1) {
    const elapsed = await decide(input);
    // The first ones are compiled while they run.
    if (index >= 20) times.push(elapsed);
  }
  say(`a decision on 20 metrics over 3,600 rows: median ${median(times).toFixed(2)} ms`);
  return row('decision.p99', 'ms', quantile(times, 0.99), times, { target: 5 });
}

function bytesRow(seed: number, say: (line: string) => void): Row {
  const sizes = CHART_KINDS.map(({ name, run }) => {
    const [early, late] = [1_000, LONG].map((points) => JSON.stringify(run(points, seed)).length) as [number, number];
    say(`${name} chart: ${early} bytes after 1,000 points, ${late} after ${LONG}`);
    return Math.max(early, late);
  });
  return row('chart.bytes', 'bytes', Math.max(...sizes), sizes);
}

/** Median over rounds of the longest time without a turn of the event loop, while a controller's detection works. */
async function blockRow(seed: number, say: (line: string) => void): Promise<Row> {
  const dir = mkdtempSync(join(tmpdir(), 'lastgood-bench-'));
  const socket = join(dir, 'rows.sock');
  const server = new Child([join(__dirname, 'detection-cost/rows-server.js'), socket, String(seed)]);
  const telemetry = gatewayTelemetry({ address: { socket } });
  try {
    await server.next();
    const policy = policyOfAnHour();
    const now = BEGIN_MS + 25 * HOUR_MS;
    const hour = rowsBetween(BEGIN_MS, BEGIN_MS + HOUR_MS, seed);
    const over = assessments(telemetry);
    const parts: Readonly<Record<string, () => Promise<unknown>>> = {
      watch: () => catchUp(hour, policy),
      'short window': () => over.decide(assessmentOf(now, policy)),
      trend: () => over.trend(assessmentOf(now, policy)),
      baseline: () => over.baseline(now, policy),
    };
    const longest: number[] = [];
    for (let round = 0; round <= BLOCK_ROUNDS; round += 1) {
      const blocks: Record<string, number> = {};
      for (const [name, work] of Object.entries(parts)) blocks[name] = await longestBlock(work);
      const list = Object.entries(blocks).map(([name, ms]) => `${name} ${ms.toFixed(1)}`);
      say(`${round === 0 ? 'warm-up' : `round ${round}`}, longest block in ms: ${list.join(', ')}`);
      if (round > 0) longest.push(Math.max(...Object.values(blocks)));
    }
    return row('eventloop.max_block', 'ms', median(longest), longest, { target: 20 });
  } finally {
    await telemetry.close();
    server.end();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  let over = false;
  const turn = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  over = true;
  await new Promise((resolve) => setImmediate(resolve));
  return longest;
}
