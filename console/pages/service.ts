import type { LedgerPage, ServiceView } from '../../api/types';
import { decisionsOf } from '../../cli/render/history';
import { headline } from '../../cli/render/status';
import { moment } from '../../cli/render/words';
import { conditionOf } from '../../cli/service-condition';
import { ApiRefusal } from '../api';
import { el, newId, refresh } from '../dom';
import { follow } from '../live';
import { ControllerClock, type Page, type PageContext } from '../page';
import { ActBar } from '../parts/act-bar';
import { ChartBoard } from '../parts/chart-board';
import { conditionMark } from '../parts/condition';
import { partsOf, glance } from '../parts/status';
import { tableOf } from '../parts/tables';
import { linkTo } from '../place';

type Entry = LedgerPage['entries'][number];

const ENTRIES = 200;
const SHOWN = 25;
const INCIDENTS = 10;
/** What happened long ago is told in rounder words as time goes by. */
const REPAINT_MS = 5_000;

/** One service: how it stands, what may be done, its charts, its versions, and what happened. */
export function servicePage({ service }: { readonly service: string }): Page {
  const places = {
    top: el('div', {}, [el('p', {}, 'Asking the controller …')]),
    facts: el('div'),
    incidents: el('div'),
    history: el('div'),
  };
  const acts = new ActBar(service);
  const charts = new ChartBoard(service);
  const element = el('article', {}, [
    el('h1', { tabindex: -1 }, service),
    places.top,
    section('What you can do', [acts.element], 'acts'),
    section('Charts', [charts.element]),
    section('How it stands', [places.facts]),
    section('Incidents', [places.incidents]),
    section('What happened', [places.history]),
  ]);
  return {
    title: service,
    element,
    start: (context) => new ServiceLife(service, context, places, { acts, charts }).begin(),
  };
}

function section(title: string, children: readonly HTMLElement[], name: string | null = null): HTMLElement {
  const id = newId('section');
  return el('section', { 'aria-labelledby': id, class: name }, [el('h2', { id }, title), ...children]);
}

type Places = Readonly<Record<'top' | 'facts' | 'incidents' | 'history', HTMLElement>>;

class ServiceLife {
  private readonly clock = new ControllerClock();
  private view: ServiceView | null = null;
  private entries: readonly Entry[] = [];
  private said = '';

  constructor(
    private readonly service: string,
    private readonly context: PageContext,
    private readonly places: Places,
    private readonly parts: { readonly acts: ActBar; readonly charts: ChartBoard },
  ) {}

  begin(): void {
    const { api, signal, connection, refused } = this.context;
    const { acts, charts } = this.parts;
    acts.start(this.context);
    charts.start(this.context);
    const listener = {
      status: (view: ServiceView) => this.show(view),
      entry: (entry: Entry) => this.add([entry]),
      connection,
      refused,
    };
    void follow(api, this.service, listener, signal);
    void this.read();
    const timer = setInterval(() => this.paint(), REPAINT_MS);
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  private async read(): Promise<void> {
    const { api } = this.context;
    try {
      const [{ entries }] = await Promise.all([
        api.ledger(this.service, { newestFirst: true, limit: ENTRIES }),
        this.readIncidents(),
      ]);
      this.add(entries);
    } catch (error) {
      // The stream of events says what is wrong, and what came before it is read when the page is opened again.
      if (!(error instanceof ApiRefusal)) throw error;
    }
  }

  private async readIncidents(): Promise<void> {
    const incidents = await this.context.api.incidents({ service: this.service, limit: INCIDENTS });
    if (this.context.signal.aborted) return;
    const items = incidents.map(({ incident, began, last, beganAt, endedAt }) =>
      el('li', {}, [
        el('a', { href: linkTo(this.service, incident) }, incident),
        ` ${moment(beganAt)}${endedAt === null ? ', not ended' : ''}: ${began}`,
        last === began ? null : el('p', { class: 'soft' }, last),
      ]),
    );
    const list = items.length === 0 ? el('p', {}, 'none on record') : el('ul', { class: 'incidents' }, items);
    refresh(this.places.incidents, el('div', {}, [list]));
  }

  private show(view: ServiceView): void {
    this.view = view;
    this.clock.heard(view.at);
    this.paint();
    this.parts.acts.show(view);
    this.announce(view);
  }

  private add(entries: readonly Entry[]): void {
    const known = new Map([...this.entries, ...entries].map((entry) => [entry.seq, entry]));
    this.entries = [...known.values()].sort((left, right) => left.seq - right.seq).slice(-ENTRIES);
    if (entries.length === 1 && entries[0]?.incident !== null) void this.readIncidents().catch(() => undefined);
    if (entries.some(({ kind }) => kind === 'traffic-shifted' || kind.startsWith('degradation-')))
      this.parts.charts.soon();
    this.paintHistory();
  }

  private paint(): void {
    if (this.view === null || this.context.signal.aborted) return;
    const now = this.clock.now();
    const condition = conditionOf(this.view, now);
    refresh(
      this.places.top,
      el('div', { class: 'glance' }, [
        conditionMark(condition),
        el('p', { class: 'headline' }, headline(this.view, now)),
        ...glance(this.view, condition, now),
      ]),
    );
    refresh(this.places.facts, el('div', {}, partsOf(this.view, condition, now)));
  }

  private paintHistory(): void {
    const shown = decisionsOf(this.entries).slice(-SHOWN).reverse();
    const rows = shown.map(({ at, kind, summary, actor }) => [
      moment(at),
      kind,
      `${summary}${actor.name === 'lastgood' ? '' : ` — ${actor.name}`}`,
    ]);
    const table = rows.length === 0 ? el('p', {}, 'nothing is on record') : tableOf(['when', 'what', 'in words'], rows);
    refresh(this.places.history, el('div', {}, [table]));
  }

  /** Once for each change that a person would want to be called for. */
  private announce(view: ServiceView): void {
    const { word, reasons } = conditionOf(view, view.at);
    const state = view.status?.state;
    const live = view.gateway?.record?.primary ?? state?.declared?.primary ?? 'nothing';
    const words = `${this.service}: ${word}${reasons[0] === undefined ? '' : `, ${reasons[0]}`}; ${live} serves`;
    if (words === this.said) return;
    this.said = words;
    this.context.announce(words);
  }
}
