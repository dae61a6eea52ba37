import type { ChartsView, MetricChart } from '../../api/types';
import { ApiRefusal } from '../api';
import { el, newId } from '../dom';
import { pause } from '../live';
import type { PageContext } from '../page';
import { ControlChart } from './control-chart';

const spans = [
  { words: '15 minutes', ms: 15 * 60_000, everyMs: 5_000 },
  { words: '1 hour', ms: 60 * 60_000, everyMs: 20_000 },
] as const;
/** Shown at once; the others are one key away. */
const FIRST = 6;

/** The control charts of one service, the ones that say something first. */
export class ChartBoard {
  private span: (typeof spans)[number] = spans[0];
  private readonly charts = new Map<string, ControlChart>();
  private readonly first = el('div', { class: 'charts' });
  private readonly others = el('div', { class: 'charts' });
  private readonly more = el('details', { class: 'more', hidden: true }, [
    el('summary', {}, 'More metrics'),
    this.others,
  ]);
  private readonly remark = el('p', { class: 'soft' }, 'Reading what was measured …');
  private look: () => void = () => undefined;
  readonly element: HTMLElement;

  constructor(private readonly service: string) {
    this.element = el('div', {}, [this.choice(), this.remark, this.first, this.more]);
  }

  start(context: PageContext): void {
    context.onRepaint(() => this.charts.forEach((chart) => chart.repaint()));
    context.signal.addEventListener('abort', () => this.charts.forEach((chart) => chart.end()), { once: true });
    void this.run(context);
  }

  /** Something happened that belongs into the picture. */
  soon(): void {
    this.look();
  }

  private choice(): HTMLElement {
    const name = newId('span');
    const options = spans.map((span) => {
      const input = el('input', { type: 'radio', name, value: span.ms, checked: span === this.span });
      input.addEventListener('change', () => {
        this.span = span;
        this.look();
      });
      return el('label', {}, [input, ` ${span.words}`]);
    });
    return el('fieldset', { class: 'span' }, [el('legend', {}, 'The last'), ...options]);
  }

  private async run({ api, signal }: PageContext): Promise<void> {
    while (!signal.aborted) {
      const { ms } = this.span;
      // Nobody looks: the gateway has requests to answer.
      if (document.visibilityState === 'visible')
        try {
          const view = await api.charts(this.service, ms);
          if (signal.aborted) return;
          if (ms === this.span.ms) this.show(view);
        } catch (error) {
          // A fault of one drawing must not end the others.
          if (!(error instanceof ApiRefusal)) reportError(error);
          const why = error instanceof ApiRefusal ? error.what : String(error);
          this.remark.textContent = `The charts cannot be read: ${why}`;
        }
      await this.rest(signal);
    }
  }

  private async rest(signal: AbortSignal): Promise<void> {
    const early = new AbortController();
    this.look = () => early.abort();
    const over = AbortSignal.any([signal, early.signal]);
    await pause(this.span.everyMs, over);
  }

  private show(view: ChartsView): void {
    const drawn = view.charts.filter(hasSomething).sort((left, right) => urgency(left) - urgency(right));
    const undrawn = view.charts.length - drawn.length;
    this.remark.textContent = [
      ...view.notKnown.map((words) => `Not known: ${words}.`),
      view.charts.length === 0 && view.notKnown.length === 0 ? 'No metric is watched yet.' : '',
      undrawn > 0
        ? `${undrawn} of ${view.charts.length} metrics have no values in this time; the table below has all of them.`
        : '',
    ].join(' ');
    drawn.forEach((chart, index) => {
      const shown = this.charts.get(chart.metric) ?? new ControlChart(chart.metric);
      this.charts.set(chart.metric, shown);
      const place = index < FIRST ? this.first : this.others;
      if (shown.element.parentElement !== place) place.append(shown.element);
      shown.show(chart, view);
    });
    for (const [metric, chart] of this.charts)
      if (!drawn.some((one) => one.metric === metric)) {
        chart.end();
        chart.element.remove();
        this.charts.delete(metric);
      }
    this.more.hidden = drawn.length <= FIRST;
  }
}

function hasSomething({ points, alarms }: MetricChart): boolean {
  return alarms.length > 0 || points.some(([, value]) => value !== null);
}

function urgency({ verdict, alarms }: MetricChart): number {
  if (alarms.some(({ toMs }) => toMs === null)) return 0;
  if (verdict === 'degraded') return 1;
  return alarms.length > 0 ? 2 : 3;
}
