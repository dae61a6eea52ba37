import type uPlot from 'uplot';
import type { ChartsView, MetricChart } from '../../api/types';
import type { Palette } from './palette';

/** Names stand above the plot, each kind in a row of its own: the moments are often seconds apart. */
const rows = { onset: 30, alarm: 18, shift: 6 } as const;
type Kind = keyof typeof rows;
const FONT_PX = 11;

/** Onset with its interval, alarms, and shifts of the traffic; told apart by dashes and words, not by colour alone. */
export function drawMoments(plot: uPlot, { alarms }: MetricChart, { marks }: ChartsView, palette: Palette): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  const x = (atMs: number): number => plot.valToPos(atMs / 1_000, 'x', true);
  const isInside = (at: number): boolean => at >= bbox.left - 1 && at <= bbox.left + bbox.width + 1;
  ctx.save();
  ctx.font = `${FONT_PX * scale}px system-ui, sans-serif`;
  ctx.lineWidth = 1.3 * scale;
  for (const { onset } of alarms) if (onset !== null) band(onset);
  const named = new Set<Kind>();
  // The newest of each kind has its name; the words below the chart have all.
  for (const { atMs, onset } of alarms.toReversed()) {
    if (onset !== null) mark('onset', onset.atMs, [4, 3]);
    mark('alarm', atMs, []);
  }
  const first = Math.min(...alarms.map(({ atMs, onset }) => onset?.atMs ?? atMs));
  for (const { atMs } of marks.toReversed()) if (atMs >= first) mark('shift', atMs, [1, 2]);
  ctx.restore();

  function band({
    atMs,
    lowMs,
    highMs,
  }: {
    readonly atMs: number;
    readonly lowMs: number | null;
    readonly highMs: number | null;
  }): void {
    const from = Math.max(bbox.left, x(lowMs ?? atMs));
    const to = Math.min(bbox.left + bbox.width, x(highMs ?? atMs));
    if (to < from) return;
    ctx.fillStyle = palette.colour('onset');
    ctx.fillRect(from, bbox.top, Math.max(2 * scale, to - from), bbox.height);
  }

  function mark(kind: Kind, atMs: number, dash: readonly number[]): void {
    const at = x(atMs);
    if (!isInside(at)) return;
    const top = bbox.top - rows[kind] * scale;
    ctx.strokeStyle = palette.colour('ink');
    ctx.setLineDash(dash.map((length) => length * scale));
    ctx.beginPath();
    ctx.moveTo(at, top - 4 * scale);
    ctx.lineTo(at, bbox.top + bbox.height);
    ctx.stroke();
    if (named.has(kind)) return;
    named.add(kind);
    const left = at > bbox.left + bbox.width / 2;
    ctx.fillStyle = palette.colour('ink');
    ctx.textAlign = left ? 'right' : 'left';
    ctx.textBaseline = 'middle';
    ctx.fillText(kind, at + (left ? -4 : 4) * scale, top);
  }
}
