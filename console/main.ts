import { ApiRefusal, ConsoleApi } from './api';
import { byId, el } from './dom';
import { placeOf } from './place';
import { servicesPage } from './pages/services';
import { servicePage } from './pages/service';
import { incidentPage } from './pages/incident';
import { signInPage } from './pages/sign-in';
import type { Page, PageContext } from './page';
import { session } from './session';
import { keepTheme } from './theme';
import type { Me } from '../api/types';

const content = byId('content');
const connection = byId('connection');
const announced = byId('announced');
let leave = new AbortController();
const repaints = new Set<() => void>();

keepTheme(byId('theme') as HTMLSelectElement, () => repaints.forEach((repaint) => repaint()));
// The address behind # is the page's own: a link to a part of it would be another page.
byId('skip').addEventListener('click', (event) => {
  event.preventDefault();
  content.focus();
});
window.addEventListener('hashchange', () => void open(true));
void open(false);

/** Shows what the address names, to whoever the controller takes this browser for. */
async function open(moved: boolean): Promise<void> {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  repaints.clear();
  connection.textContent = '';
  const api = new ConsoleApi(session.token());
  const me = await whoami(api);
  if (signal.aborted || me === null) return;
  showWho(me);
  const place = placeOf(location.hash);
  const page: Page =
    place.kind === 'services' ? servicesPage() : place.kind === 'service' ? servicePage(place) : incidentPage(place);
  document.title = `${page.title} – lastgood`;
  byId('navigation').replaceChildren(...crumbs(place));
  content.replaceChildren(page.element);
  if (moved) (page.element.querySelector<HTMLElement>('h1') ?? content).focus();
  page.start({ ...contextOf(api, me, signal) });
}

function contextOf(api: ConsoleApi, me: Me, signal: AbortSignal): PageContext {
  return {
    api,
    me,
    signal,
    announce: (words) => (announced.textContent = words),
    connection: (words) => {
      if (connection.textContent !== (words ?? '')) connection.textContent = words ?? '';
    },
    refused: (why) => signIn(why),
    onRepaint: (repaint) => repaints.add(repaint),
  };
}

/** Null where somebody must sign in first; the page for that is shown then. */
async function whoami(api: ConsoleApi): Promise<Me | null> {
  try {
    return await api.me();
  } catch (error) {
    if (!(error instanceof ApiRefusal)) throw error;
    if (error.status === 401) signIn(session.token() === null ? null : error.what);
    else {
      connection.textContent = `${error.what}. Load the page again to try it again.`;
    }
    return null;
  }
}

function signIn(why: string | null): void {
  leave.abort();
  session.forget();
  byId('who').replaceChildren();
  byId('navigation').replaceChildren();
  document.title = 'Sign in – lastgood';
  const page = signInPage(why, (token) => {
    session.keep(token);
    void open(true);
  });
  content.replaceChildren(page);
  page.querySelector<HTMLElement>('input')?.focus();
}

function showWho({ actor, roles }: Me): void {
  const name = el('span', { title: `proven by ${actor.proof}` }, `${actor.name} (${roles.join(', ') || 'no role'})`);
  const out = el('button', { type: 'button', class: 'quiet' }, 'Sign out');
  out.addEventListener('click', () => signIn(null));
  byId('who').replaceChildren(name, ...(session.token() === null ? [] : [out]));
}

function crumbs(place: ReturnType<typeof placeOf>): HTMLElement[] {
  const links = [el('a', { href: '#/', 'aria-current': place.kind === 'services' ? 'page' : null }, 'Services')];
  if (place.kind !== 'services') {
    const here = place.kind === 'service' ? 'page' : null;
    links.push(el('a', { href: `#/${encodeURIComponent(place.service)}`, 'aria-current': here }, place.service));
  }
  return links;
}
