import { el, newId } from '../dom';

/** Asks for a token; `why` is what was wrong with the one before. */
export function signInPage(why: string | null, onToken: (token: string) => void): HTMLElement {
  const id = newId('token');
  const input = el('input', {
    ...{ id, type: 'password', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', required: true },
    'aria-describedby': `${id}-help`,
  });
  const form = el('form', { class: 'sign-in' }, [
    el('label', { for: id }, 'Token'),
    input,
    el('button', { type: 'submit', class: 'main' }, 'Sign in'),
  ]);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (input.value.trim() !== '') onToken(input.value.trim());
  });
  return el('section', { 'aria-labelledby': `${id}-title` }, [
    el('h1', { id: `${id}-title` }, 'Sign in'),
    why === null ? null : el('p', { role: 'alert', class: 'refusal' }, why),
    form,
    el(
      'p',
      { id: `${id}-help` },
      'A token of your own (lastgood token make), one of your OpenID Connect issuer, or that of the data directory (api.token). It stays in this tab, until the tab is closed.',
    ),
  ]);
}
