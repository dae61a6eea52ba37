import type { Proposal, ServiceView } from '../../api/types';
import { ApiRefusal } from '../api';
import { el } from '../dom';
import { pause } from '../live';
import type { PageContext } from '../page';
import { actForms, type ActForm } from './act-forms';
import { openAct } from './act-dialog';

const PROPOSALS_EVERY_MS = 5_000;

/** The buttons of what a person may do now. They are made anew only when what they do changes, so the focus stays. */
export class ActBar {
  readonly element = el('div');
  private readonly buttons = el('div', { class: 'buttons' });
  private readonly remark = el('p', { class: 'soft' });
  private readonly shown = new Map<string, HTMLButtonElement>();
  private context: PageContext | null = null;
  private view: ServiceView | null = null;
  private proposals: readonly Proposal[] = [];

  constructor(private readonly service: string) {
    this.element.append(this.buttons, this.remark);
  }

  start(context: PageContext): void {
    this.context = context;
    void this.followProposals(context);
  }

  show(view: ServiceView): void {
    this.view = view;
    this.paint();
  }

  private paint(): void {
    const { context, view } = this;
    if (context === null || view === null) return;
    const all = actForms(view, this.proposals, context.me);
    const isMine = ({ act }: ActForm): boolean => act === 'second' || context.me.rights.includes(act);
    const forms = all.filter(isMine);
    const wanted = new Map(forms.map((form) => [form.key, form]));
    const focused = [...this.shown].find(([, button]) => button === document.activeElement)?.[0];
    for (const [key, button] of this.shown)
      if (!wanted.has(key)) {
        button.remove();
        this.shown.delete(key);
      }
    for (const form of forms) {
      const button = this.shown.get(form.key) ?? this.button(form);
      this.shown.set(form.key, button);
      // Moving a button takes its focus away.
      if (this.buttons.children[forms.indexOf(form)] !== button)
        this.buttons.insertBefore(button, this.buttons.children[forms.indexOf(form)] ?? null);
    }
    if (focused !== undefined) this.focusAgain(focused, forms);
    this.remark.textContent = remarkOf(
      view,
      all.filter((form) => !isMine(form)),
      context,
    );
  }

  /** The act that the reader was at, as it is now. */
  private focusAgain(key: string, forms: readonly ActForm[]): void {
    const [act] = key.split('/');
    const same = forms.find((form) => form.key === key) ?? forms.find((form) => form.key.split('/')[0] === act);
    const button = same && this.shown.get(same.key);
    if (button && button !== document.activeElement) button.focus();
  }

  private button(form: ActForm): HTMLButtonElement {
    const button = el('button', { type: 'button', class: form.urgent ? 'urgent' : null }, form.button);
    button.addEventListener('click', () => {
      if (this.context !== null) openAct(this.service, form, this.context, () => this.returnFocus(form));
    });
    return button;
  }

  private returnFocus(form: ActForm): void {
    const act = form.key.split('/')[0];
    const again = [...this.shown].find(([key]) => key === form.key || key.split('/')[0] === act)?.[1];
    (again ?? this.buttons.querySelector('button'))?.focus();
  }

  private async followProposals({ api, signal }: PageContext): Promise<void> {
    while (!signal.aborted) {
      try {
        this.proposals = await api.proposals();
        if (!signal.aborted) this.paint();
      } catch (error) {
        // The stream of events says what is wrong with the connection.
        if (!(error instanceof ApiRefusal)) throw error;
      }
      await pause(PROPOSALS_EVERY_MS, signal);
    }
  }
}

function remarkOf(view: ServiceView, others: readonly ActForm[], { me }: PageContext): string {
  if (!view.status) return 'Nothing now: nobody who decides can be asked.';
  if (others.length === 0) return '';
  const acts = [...new Set(others.map(({ act }) => act))].join(', ');
  return `${me.actor.name} has no right to: ${acts}.`;
}
