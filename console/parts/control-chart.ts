import uPlot from 'uplot';
import type { ChartsView, MetricChart } from '../../api/types';
import { clock, metricValue } from '../../cli/render/words';
import { el, newId } from '../dom';
import { Palette } from './palette';
import { drawMoments } from './chart-moments';

const HEIGHT = 210;
const LEAST_WIDTH = 200;
const TABLE_ROWS = 30;

/** One control chart: values with gaps, the limits in force now, and what happened; all of it in words too. */
export class ControlChart {
  readonly element: HTMLElement;
  private readonly palette: Palette;
  private readonly title: HTMLElement;
  private readonly words: HTMLElement;
  private readonly happened: HTMLElement;
  private readonly values: HTMLDetailsElement;
  private readonly place = el('div', { class: 'plot', 'aria-hidden': true });
  private readonly resized: ResizeObserver;
  private plot: uPlot | null = null;
  private chart: MetricChart | null = null;
  private view: ChartsView | null = null;

  constructor(readonly metric: string) {
    const id = newId('chart');
    this.title = el('h3', { id }, metric);
    this.words = el('p', { class: 'reading' });
    this.happened = el('ul', { class: 'happened' });
    this.values = el('details', {}, [el('summary', {}, `Values of ${metric}`)]);
    this.element = el('figure', { class: 'chart', 'aria-labelledby': id }, [
      this.title,
      this.place,
      el('figcaption', {}, [this.words, this.happened, this.values]),
    ]);
    this.palette = new Palette(this.place);
    this.values.addEventListener('toggle', () => this.showValues());
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(this.place);
  }

  show(chart: MetricChart, view: ChartsView): void {
    this.chart = chart;
    this.view = view;
    this.element.dataset['verdict'] = chart.verdict;
    this.words.textContent = reading(chart);
    this.happened.replaceChildren(...happened(chart, view));
    this.showValues();
    if (this.plot === null) this.fit();
    else this.plot.setData(dataOf(chart));
  }

  repaint(): void {
    this.palette.forget();
    this.plot?.redraw(false, true);
  }

  end(): void {
    this.resized.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  private fit(): void {
    const width = Math.floor(this.place.clientWidth);
    if (this.chart === null || width < LEAST_WIDTH) return;
    if (this.plot === null) this.plot = new uPlot(this.options(width), dataOf(this.chart), this.place);
    else if (this.plot.width !== width) this.plot.setSize({ width, height: HEIGHT });
  }

  private options(width: number): uPlot.Options {
    const colour = (name: Parameters<Palette['colour']>[0]) => (): string => this.palette.colour(name);
    const text = (value: number): string => metricValue(this.metric, value, this.chart?.unit ?? undefined);
    const axis = {
      stroke: colour('soft'),
      font: '11px system-ui, sans-serif',
      grid: { stroke: colour('line'), width: 1 },
    };
    const flat = { points: { show: false }, spanGaps: true };
    return {
      width,
      height: HEIGHT,
      padding: [42, 8, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), 'Etc/UTC'),
      scales: {
        x: { time: true, range: () => [(this.view?.fromMs ?? 0) / 1_000, (this.view?.toMs ?? 1) / 1_000] },
        y: { range: (_plot, low, high) => valueRange(low, high) },
      },
      axes: [
        {
          ...axis,
          size: 30,
          space: 64,
          values: (_plot, splits) => splits.map((seconds) => clock(seconds * 1_000).slice(0, 5)),
        },
        { ...axis, size: 62, values: (_plot, splits) => splits.map(text) },
      ],
      series: [
        {},
        { stroke: colour('center'), width: 1, dash: [2, 3], ...flat },
        { stroke: colour('limit'), width: 1.5, dash: [7, 4], ...flat },
        { stroke: colour('limit'), width: 1.5, dash: [7, 4], ...flat },
        {
          stroke: colour('series'),
          width: 2,
          spanGaps: false,
          points: { show: lonePoints, size: 5, fill: colour('series') },
        },
      ],
      hooks: {
        drawAxes: [
          (plot) => {
            if (this.chart !== null && this.view !== null) drawMoments(plot, this.chart, this.view, this.palette);
          },
        ],
      },
    };
  }

  /** Only for whoever opens it. */
  private showValues(): void {
    if (!this.values.open || this.chart === null) return;
    const { points, unit } = this.chart;
    const measured = points
      .filter(([, value]) => value !== null)
      .slice(-TABLE_ROWS)
      .reverse();
    const items = measured.map(([at, value]) => `${clock(at)}  ${metricValue(this.metric, value, unit ?? undefined)}`);
    const list = el('pre', { tabindex: 0 }, items.length === 0 ? 'none in this time' : items.join('\n'));
    const before = this.values.querySelector('pre');
    if (before === null) this.values.append(list);
    else if (before.textContent !== list.textContent) before.textContent = list.textContent;
  }
}

function dataOf({ points, center, ucl, lcl }: MetricChart): uPlot.AlignedData {
  const flat = (value: number | null): (number | null)[] => points.map(() => value);
  return [points.map(([at]) => at / 1_000), flat(center), flat(ucl), flat(lcl), points.map(([, value]) => value)];
}

/** A value between two gaps has no line to be seen by. */
function lonePoints(plot: uPlot, series: number, from: number, to: number): boolean {
  const values = plot.data[series] ?? [];
  const isThere = (index: number): boolean => typeof values[index] === 'number';
  for (let index = from; index <= to; index++)
    if (isThere(index) && !isThere(index - 1) && !isThere(index + 1)) return true;
  return false;
}

/** With a little room; nothing that is never below zero gets an axis below it. */
function valueRange(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const height = high > low ? high - low : Math.abs(high) / 2 || 1;
  const from = low - 0.08 * height;
  return [low >= 0 ? Math.max(0, from) : from, high + 0.08 * height];
}

function reading({ metric, unit, tier, verdict, points, center, ucl, lcl }: MetricChart): string {
  const text = (value: number | null): string => metricValue(metric, value, unit ?? undefined);
  const last = points.findLast(([, value]) => value !== null)?.[1] ?? null;
  return [
    `${verdict} (${tier})`,
    `last ${text(last)}`,
    ...(center === null ? [] : [`expected ${text(center)}`]),
    ...(ucl === null ? [] : [`upper limit ${text(ucl)}`]),
    ...(lcl === null ? [] : [`lower limit ${text(lcl)}`]),
  ].join(', ');
}

function happened({ alarms }: MetricChart, { marks }: ChartsView): HTMLElement[] {
  const first = Math.min(...alarms.map(({ atMs, onset }) => onset?.atMs ?? atMs));
  const lines = [
    ...alarms.map(({ atMs, toMs, onset, sentence }) => ({
      atMs,
      words: `alarm: ${sentence}${onset === null ? '' : `; it began at about ${clock(onset.atMs)}`}${toMs === null ? '; it stands' : `; over at ${clock(toMs)}`}`,
    })),
    // Of no news where nothing was wrong before.
    ...marks.filter(({ atMs }) => atMs >= first).map(({ atMs, sentence }) => ({ atMs, words: sentence })),
  ].sort((left, right) => left.atMs - right.atMs);
  return lines.map(({ atMs, words }) => el('li', {}, `${clock(atMs)} ${words}`));
}
