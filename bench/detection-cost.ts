import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { gatewayTelemetry } from '../adapters/telemetry/gateway';
import { assessmentOf, assessments, catchUp, policyOfAnHour, telemetryOf } from './detection-cost/assessments';
import { energyRows } from './detection-cost/energy';
import { BEGIN_MS, HOUR_MS, rowsBetween } from './detection-cost/hour';
import { CHART_KINDS, microsPerPoint } from './detection-cost/points';
import { Child } from './gateway-parts/processes';
import { BadUse, median, quantile, row, type Bench, type Row } from './report';

const POINTS = 50_000;
const ROUNDS = 7;
const DECISIONS = 300;
const WARM_UP = 50;
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
    ...(await decisionRows(seed, say)),
    bytesRow(seed, say),
    ...(await blockRows(seed, say)),
    ...energyRows(seed),
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

/** Wall time, and CPU time beside it: on a busy machine only that is the decision's own. */
async function decisionRows(seed: number, say: (line: string) => void): Promise<Row[]> {
  const now = BEGIN_MS + HOUR_MS;
  const { decide } = assessments(telemetryOf(rowsBetween(BEGIN_MS, now, seed)));
  const input = assessmentOf(now, policyOfAnHour());
  const times: number[] = [];
  const cpu: number[] = [];
  for (let index = 0; index < DECISIONS + WARM_UP; index += 1) {
    const begin = performance.now();
    const cpuBegin = cpuMs();
    await decide(input);
    // The first ones are compiled while they run.
    if (index < WARM_UP) continue;
    times.push(performance.now() - begin);
    cpu.push(cpuMs() - cpuBegin);
  }
  say(`a decision on 20 metrics over 3,600 rows: median ${median(times).toFixed(2)} ms`);
  return [
    row('decision.p99', 'ms', quantile(times, 0.99), times, { target: 5 }),
    row('decision.cpu.p50', 'ms', median(cpu), cpu),
  ];
}

function bytesRow(seed: number, say: (line: string) => void): Row {
  const sizes = CHART_KINDS.map(({ name, run }) => {
    const [early, late] = [1_000, LONG].map((points) => JSON.stringify(run(points, seed)).length) as [number, number];
    say(`${name} chart: ${early} bytes after 1,000 points, ${late} after ${LONG}`);
    return Math.max(early, late);
  });
  return row('chart.bytes', 'bytes', Math.max(...sizes), sizes);
}

/**
 * Median over rounds of the longest time without a turn of the event loop, while a controller's detection works; and of
 * the most CPU time of one turn, which other processes cannot stretch.
 */
async function blockRows(seed: number, say: (line: string) => void): Promise<Row[]> {
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
    const busiest: number[] = [];
    for (let round = 0; round <= BLOCK_ROUNDS; round += 1) {
      const blocks: Block[] = [];
      for (const work of Object.values(parts)) blocks.push(await longestBlock(work));
      const list = Object.keys(parts).map((name, index) => `${name} ${blockText(blocks[index])}`);
      say(`${round === 0 ? 'warm-up' : `round ${round}`}, longest block (CPU) in ms: ${list.join(', ')}`);
      if (round === 0) continue;
      longest.push(Math.max(...blocks.map(({ wallMs }) => wallMs)));
      busiest.push(Math.max(...blocks.map((block) => block.cpuMs)));
    }
    return [
      row('eventloop.max_block', 'ms', median(longest), longest, { target: 20 }),
      row('eventloop.max_cpu', 'ms', median(busiest), busiest),
    ];
  } finally {
    await telemetry.close();
    server.end();
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Block {
  readonly wallMs: number;
  readonly cpuMs: number;
}

function blockText(block: Block | undefined): string {
  return block === undefined ? '–' : `${block.wallMs.toFixed(1)} (${block.cpuMs.toFixed(1)})`;
}

async function longestBlock(work: () => Promise<unknown>): Promise<Block> {
  let longest: Block = { wallMs: 0, cpuMs: 0 };
  let last: Block = { wallMs: performance.now(), cpuMs: cpuMs() };
  let over = false;
  const turn = (): void => {
    const now: Block = { wallMs: performance.now(), cpuMs: cpuMs() };
    longest = {
      wallMs: Math.max(longest.wallMs, now.wallMs - last.wallMs),
      cpuMs: Math.max(longest.cpuMs, now.cpuMs - last.cpuMs),
    };
    last = now;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  over = true;
  await new Promise((resolve) => setImmediate(resolve));
  return longest;
}

/** CPU time of this process so far, of all its threads. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
