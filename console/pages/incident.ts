import { titleOf } from '../../cli/render/explain';
import type { ReportDocument } from '../../cli/report/document';
import { incidentReport } from '../../cli/report/incident-report';
import { entriesBehind, keptPictures } from '../../cli/story/aftermath';
import { findIncident } from '../../cli/story/find-incident';
import { tellStory } from '../../cli/story/incident-story';
import { presentOf } from '../../cli/story/present-of';
import { ApiRefusal, type ConsoleApi } from '../api';
import { el } from '../dom';
import { follow } from '../live';
import type { Page, PageContext } from '../page';
import { reportSections } from '../parts/report';
import { linkTo } from '../place';
import { CliFailure } from '../../cli/failure';

/** Entries come in bursts; the story is told again when they pause. */
const SETTLE_MS = 700;

/** One incident: what `lastgood report` says of it, kept up with the ledger. */
export function incidentPage({ service, incident }: { readonly service: string; readonly incident: string }): Page {
  const body = el('div', { class: 'report' }, [el('p', {}, 'Reading the ledger …')]);
  const title = el('h1', { tabindex: -1 }, `${service} ${incident}`);
  const element = el('article', {}, [el('p', {}, [el('a', { href: linkTo(service) }, `← ${service}`)]), title, body]);
  const show = (document: ReportDocument): void => {
    title.textContent = document.title;
    body.replaceChildren(el('p', { class: 'lead' }, document.lead.join(' ')), ...reportSections(document));
  };
  return {
    title: `${service} ${incident}`,
    element,
    start: (context) => {
      let timer: number | undefined;
      const tell = async (): Promise<void> => {
        try {
          const document = await documentOf(context.api, service, incident);
          if (context.signal.aborted) return;
          const before = title.textContent;
          show(document);
          if (before !== title.textContent) context.announce(document.title);
        } catch (error) {
          if (!(error instanceof CliFailure)) throw error;
          if (error instanceof ApiRefusal && error.status === 401) return context.refused(error.what);
          body.replaceChildren(el('p', { role: 'alert', class: 'refusal' }, error.what));
        }
      };
      const soon = (): void => {
        window.clearTimeout(timer);
        timer = window.setTimeout(() => void tell(), SETTLE_MS);
      };
      void tell();
      listen(context, service, soon);
    },
  };
}

function listen(context: PageContext, service: string, onEntry: () => void): void {
  const { api, signal, connection, refused } = context;
  void follow(api, service, { status: () => undefined, entry: onEntry, connection, refused }, signal);
}

async function documentOf(api: ConsoleApi, service: string, incident: string): Promise<ReportDocument> {
  const found = await findIncident(api, 'explain', { what: incident, service });
  const story = tellStory(found.id ?? incident, found.entries);
  const { head } = await api.ledger(service, { newestFirst: true, limit: 1 });
  const document = incidentReport({
    story,
    leftOut: found.leftOut,
    behind: await entriesBehind(api, found),
    pictures: await keptPictures(api, found),
    present: await presentOf(api, service),
    flagged: { shown: [], left: 0 },
    head,
    now: Date.now(),
  });
  return { ...document, title: titleOf(story) };
}
