import { renderAnswer, renderProposal } from '../../cli/render/acts';
import { shellWord } from '../../cli/render/words';
import { ApiRefusal } from '../api';
import { el, newId } from '../dom';
import type { PageContext } from '../page';
import type { ActForm, Field, Outcome, Values } from './act-forms';

const REASON_CHARS = 500;

/**
 * Asks for what an act needs and sends it. The dialog has one request id: sent again after no answer came, it is the same
 * act. What was decided is shown word for word.
 */
export function openAct(service: string, form: ActForm, context: PageContext, onClosed: () => void): void {
  const id = newId('act');
  // Everything below belongs to one opening of the dialog.
  const requestId = crypto.randomUUID();
  const reason = el('textarea', {
    id: `${id}-reason`,
    rows: 3,
    maxlength: REASON_CHARS,
    required: true,
    'aria-describedby': `${id}-why`,
  });
  const fields = form.fields.map((field) => fieldOf(field, id));
  const command = el('code');
  const outcome = el('div', { class: 'outcome', tabindex: -1 });
  const plan = el('button', { type: 'button', hidden: !form.canPlan }, 'Only say what would happen');
  const send = el('button', { type: 'submit', class: 'main' }, form.button.replace(/ …$/, ''));
  const close = el('button', { type: 'button', class: 'quiet' }, 'Close');
  const body = el('form', { method: 'dialog', novalidate: true }, [
    el('h2', { id: `${id}-title` }, form.title),
    ...form.about.map((words) => el('p', {}, words)),
    ...fields.map(({ element }) => element),
    el('label', { for: reason.id }, 'Reason'),
    reason,
    el('p', { id: `${id}-why`, class: 'soft' }, `It stands in the ledger under your name, ${context.me.actor.name}.`),
    el('p', { class: 'command' }, ['The same in a terminal: ', command]),
    outcome,
    el('div', { class: 'buttons' }, [send, plan, close]),
  ]);
  const dialog = el('dialog', { 'aria-labelledby': `${id}-title` }, [body]);

  const values = (): Values => Object.fromEntries(fields.map(({ field, value }) => [field.name, value()]));
  const update = (): void => {
    const now = values();
    for (const { field, element } of fields)
      element.hidden = field.onlyWith !== undefined && now[field.onlyWith.name] !== field.onlyWith.value;
    command.textContent = `${form.command(now)} --reason ${reason.value.trim() === '' ? "'…'" : shellWord(reason.value.trim())}`;
  };
  const tell = (lines: readonly string[], isRefusal: boolean): void => {
    outcome.replaceChildren(
      el(
        'div',
        { role: isRefusal ? 'alert' : 'status', class: isRefusal ? 'refusal' : 'done' },
        lines.map((line) => el('p', {}, line)),
      ),
    );
    outcome.scrollIntoView({ block: 'nearest' });
  };
  const act = async (dryRun: boolean): Promise<void> => {
    const words = reason.value.trim();
    outcome.replaceChildren();
    if (words === '') {
      tell(['every act needs a reason, and none was given'], true);
      reason.focus();
      return;
    }
    send.disabled = plan.disabled = true;
    try {
      const answer = await perform(context, service, form, values(), { requestId, reason: words, dryRun });
      const { lines, isRefusal, isDone } = told(answer, dryRun);
      tell(lines, isRefusal);
      if (isDone) {
        // A second press would be a second act of somebody who did not see the first.
        send.hidden = plan.hidden = true;
        close.textContent = 'Done';
        close.focus();
      }
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      tell([error.what], true);
    } finally {
      send.disabled = plan.disabled = false;
    }
  };

  body.addEventListener('input', update);
  body.addEventListener('submit', (event) => {
    event.preventDefault();
    void act(false);
  });
  plan.addEventListener('click', () => void act(true));
  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => {
    dialog.remove();
    onClosed();
  });
  context.signal.addEventListener('abort', () => dialog.close(), { once: true });
  update();
  document.body.append(dialog);
  dialog.showModal();
  (body.querySelector<HTMLElement>('select, input') ?? reason).focus();
}

interface Sent {
  readonly requestId: string;
  readonly reason: string;
  readonly dryRun: boolean;
}

/** @throws ApiRefusal */
async function perform(
  { api }: PageContext,
  service: string,
  form: ActForm,
  values: Values,
  { requestId, reason, dryRun }: Sent,
): Promise<Outcome> {
  const fields = form.body(values);
  if (form.act === 'second') return await api.second(String(fields['proposal']), reason);
  // What is only planned is no act: it must not be answered as the repetition of one.
  const more = dryRun ? { dryRun: true } : { requestId };
  return await api.act(service, form.act, { ...fields, reason, ...more });
}

function told(answer: Outcome, dryRun: boolean): { lines: readonly string[]; isRefusal: boolean; isDone: boolean } {
  if ('until' in answer) return { lines: renderProposal(answer), isRefusal: false, isDone: true };
  return {
    lines: renderAnswer(answer),
    isRefusal: answer.decision === 'refused',
    isDone: answer.decision === 'accepted' && !dryRun,
  };
}

interface ShownField {
  readonly field: Field;
  readonly element: HTMLElement;
  value(): string;
}

function fieldOf(field: Field, id: string): ShownField {
  const { name, label, kind, options } = field;
  if (kind === 'select') {
    const select = el(
      'select',
      { id: `${id}-${name}`, name },
      options.map(({ value, words }) => el('option', { value }, words)),
    );
    const element = el('div', { class: 'field' }, [el('label', { for: select.id }, label), select]);
    return { field, element, value: () => select.value };
  }
  const inputs = options.map(({ value }, index) =>
    el('input', { type: 'radio', name: `${id}-${name}`, value, checked: index === 0 }),
  );
  const element = el('fieldset', { class: 'field' }, [
    el('legend', {}, label),
    ...options.map(({ words }, index) => el('label', {}, [inputs[index] ?? null, ` ${words}`])),
  ]);
  return { field, element, value: () => inputs.find(({ checked }) => checked)?.value ?? '' };
}
