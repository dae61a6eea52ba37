import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { causeByCalls, type Burden, type CallChange, type CallLoad } from './call-cause';
import { median } from '../../domain/detection/robust';
import { dataFolder } from '../series/recordings';

/** One node of one recorded issue, taken for the service that was deployed. `verdict` null: it did not degrade. */
export interface NodeJudged {
  readonly issue: string;
  readonly node: string;
  readonly culprit: boolean;
  readonly verdict: 'model' | 'environment' | 'undetermined' | null;
}

interface Issue {
  readonly name: string;
  readonly culprit: string;
  readonly burden: Burden;
  readonly alarmS: number;
  readonly calls: ReadonlyMap<string, readonly string[]>;
  readonly series: ReadonlyMap<string, readonly (CallLoad & { readonly atS: number })[]>;
}

/** A verdict needs its time: what came later than this after the alarm is not looked at. */
const DECIDE_AFTER_S = 600;
const STEP_S = 300;
/** The margins of the shipped charts: a quarter for latency, a point for failures. */
const LATENCY_MARGIN = 0.25;
const FAILURE_MARGIN = 0.01;

/** Every node of every recorded issue below DIR/petshop. */
export function judgePetShop(dataDir: string | undefined): NodeJudged[] {
  const folder = dataFolder(dataDir, 'petshop', (each) => issueFolders(each).length > 0);
  return issueFolders(folder).flatMap((each) => judgeIssue(readIssue(each, folder)));
}

function judgeIssue({ alarmS, burden, calls, culprit, name, series }: Issue): NodeJudged[] {
  const changes = new Map<string, CallChange>();
  for (const [node, rows] of series) {
    const before = loadOf(rows.filter(({ atS }) => atS + STEP_S <= alarmS));
    const since = loadOf(rows.filter(({ atS }) => atS > alarmS && atS <= alarmS + DECIDE_AFTER_S));
    if (before && since) changes.set(node, { name: node, before, since });
  }
  return [...series.keys()].map((node) => {
    const change = changes.get(node);
    const judged = { issue: name, node, culprit: node === culprit };
    if (!change) return { ...judged, verdict: node === culprit ? 'undetermined' : null };
    if (!isDegraded(change, burden)) return { ...judged, verdict: null };
    const dependencies = (calls.get(node) ?? []).flatMap((one) => changes.get(one) ?? []);
    return { ...judged, verdict: causeByCalls(change, dependencies, burden)?.attribution ?? null };
  });
}

function isDegraded({ before, since }: CallChange, burden: Burden): boolean {
  return burden === 'failures'
    ? since.failed - before.failed >= FAILURE_MARGIN
    : since.meanMs - before.meanMs >= LATENCY_MARGIN * before.meanMs;
}

/** Medians over the rows that measured anything; null for none. */
function loadOf(rows: readonly CallLoad[]): CallLoad | null {
  const of = (key: keyof CallLoad): number | null =>
    median(rows.map((one) => one[key]).filter((value) => Number.isFinite(value)));
  const perMinute = of('perMinute');
  const meanMs = of('meanMs');
  if (perMinute === null || meanMs === null) return null;
  return { perMinute, meanMs, failed: of('failed') ?? 0 };
}

function issueFolders(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name === 'target.json')
    .map((entry) => entry.parentPath)
    .sort();
}

function readIssue(folder: string, root: string): Issue {
  const target = JSON.parse(readFileSync(join(folder, 'target.json'), 'utf8')) as {
    target: { metric: string; timestamp: number };
    root_cause: { node: string };
  };
  return {
    name: folder.slice(root.length + 1),
    culprit: target.root_cause.node,
    burden: target.target.metric === 'availability' ? 'failures' : 'time',
    alarmS: target.target.timestamp,
    calls: readCalls(graphAbove(folder, root)),
    series: readSeries(join(folder, 'metrics.csv')),
  };
}

function graphAbove(folder: string, root: string): string | null {
  for (let at = folder; at.length >= root.length; at = dirname(at)) {
    const file = join(at, 'graph.csv');
    if (existsSync(file)) return file;
  }
  return null;
}

/** A matrix of who (row) calls whom (column). */
function readCalls(file: string | null): Map<string, string[]> {
  const lines = file === null ? [] : table(file);
  const [head = []] = lines;
  return new Map(
    lines
      .slice(1)
      .map(([node = '', ...cells]) => [
        node,
        cells.flatMap((cell, at) => (Number(cell) > 0 ? (head[at + 1] ?? []) : [])),
      ]),
  );
}

/** Four head lines name node, metric, statistic; then a line every five minutes. */
function readSeries(file: string): Issue['series'] {
  const [nodes = [], metrics = [], statistics = [], , ...rows] = table(file);
  const column = (node: string, metric: string, statistic: string): number =>
    nodes.findIndex((each, at) => each === node && metrics[at] === metric && statistics[at] === statistic);
  return new Map(
    [...new Set(nodes.slice(1))].map((node) => {
      const [latency, requests, availability] = [
        column(node, 'latency', 'Average'),
        column(node, 'requests', 'Sum'),
        column(node, 'availability', 'Average'),
      ];
      const read = rows.map((cells) => ({
        atS: numberOf(cells[0]),
        perMinute: numberOf(cells[requests]) / (STEP_S / 60),
        meanMs: 1_000 * numberOf(cells[latency]),
        failed: 1 - numberOf(cells[availability]) / 100,
      }));
      return [node, read.filter(({ atS }) => Number.isFinite(atS))];
    }),
  );
}

function table(file: string): string[][] {
  return readFileSync(file, 'utf8')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) => line.split(','));
}

function numberOf(cell: string | undefined): number {
  return cell === undefined || cell.trim() === '' ? NaN : Number(cell);
}
