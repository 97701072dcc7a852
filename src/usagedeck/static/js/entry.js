/** What the pages before the page have in common: how they look and how they send. No form is ever sent: the policy allows none. */
import {css} from '../vendor/lit.js';
import {call} from './api.js';

/** The answer to what is sent as JSON; null when there is none. */
export async function post(path, said) {
  const headers = {'content-type': 'application/json', accept: 'application/json'};
  const response = await call(path, {method: 'POST', headers, body: JSON.stringify(said)});
  return response.status === 204 ? null : response.json();
}

/** One card in the upper middle of the page, with a form in it. */
export const entry = css`
  .card { max-width: 380px; margin: 12vh auto 0; padding: 24px; overflow-wrap: anywhere; }
  form, .choices { display: grid; gap: 12px; margin-top: 16px; }
  label { display: grid; gap: 4px; font-size: 13px; color: var(--ud-text-2); }
  .field:read-only { background: var(--ud-surface-2); color: var(--ud-text-2); }
  .alert { margin: 0; }
  .button { justify-content: center; }
`;

/** The ground of an element that is a document's only one. */
export const ground = css`
  :host { min-height: 100vh; background: var(--ud-bg); color: var(--ud-text); font: 14px/20px var(--ud-font); }
  .frame { max-width: 1280px; margin: 0 auto; padding: 20px 24px 48px; }
  @media (max-width: 860px) { .frame { padding: 12px 12px 32px; } }
`;
