import type { ServiceView } from '../../api/types';
import { headline } from '../../cli/render/status';
import { conditionOf } from '../../cli/service-condition';
import { ApiRefusal } from '../api';
import { el, refresh } from '../dom';
import { pause } from '../live';
import type { Page, PageContext } from '../page';
import { conditionMark } from '../parts/condition';
import { linkTo } from '../place';

const EVERY_MS = 3_000;

/** Every service that the reader may hear of, the worst first. */
export function servicesPage(): Page {
  const list = el('ul', { class: 'services' });
  const element = el('section', { 'aria-labelledby': 'services-title' }, [
    el('h1', { id: 'services-title', tabindex: -1 }, 'Services'),
    list,
  ]);
  return {
    title: 'Services',
    element,
    start: (context) => void look(context, (views) => refresh(list, el('ul', { class: 'services' }, views.map(card)))),
  };
}

async function look(
  { api, signal, ...tell }: PageContext,
  show: (views: readonly ServiceView[]) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const views = await api.services();
      if (signal.aborted) return;
      show([...views].sort(worstFirst));
      tell.connection(null);
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      if (error.status === 401) return tell.refused(error.what);
      tell.connection(`What you see is old: ${error.what}. It is tried again.`);
    }
    await pause(EVERY_MS, signal);
  }
}

function worstFirst(left: ServiceView, right: ServiceView): number {
  const isFine = (view: ServiceView): number => Number(conditionOf(view, view.at).word === 'ok');
  return isFine(left) - isFine(right) || left.service.localeCompare(right.service);
}

function card(view: ServiceView): HTMLElement {
  const condition = conditionOf(view, view.at);
  const [reason] = condition.reasons;
  return el('li', { class: 'card' }, [
    el('h2', {}, [el('a', { href: linkTo(view.service) }, view.service)]),
    conditionMark(condition),
    reason === undefined ? null : el('p', {}, reason),
    el('p', {}, headline(view, view.at)),
  ]);
}
