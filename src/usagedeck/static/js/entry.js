/** What the pages before the page have in common: how they look and how they send. No form is ever sent: the policy allows none. */
import {css, html} from '../vendor/lit.js';
import {call, forget} from './api.js';

/** The answer to what is sent as JSON; null when there is none. */
export async function post(path, said) {
  const headers = {'content-type': 'application/json', accept: 'application/json'};
  const response = await call(path, {method: 'POST', headers, body: JSON.stringify(said)});
  return response.status === 204 ? null : response.json();
}

export async function signIn(email, password) {
  await post('/api/v1/session', {email, password});
  forget();
}

export async function signOut() {
  await call('/api/v1/session', {method: 'DELETE'});
  forget();
}

const WHENCE = 'usagedeck.whence';

/** Leave for the identity provider; `whence` tells the page behind it where to go on. @param {string} [invitation] its token */
export async function leave(invitation = null) {
  const {address} = await post('/api/v1/sign-in/provider', {});
  const here = location.pathname === '/' ? location.pathname + location.search : '/';
  sessionStorage.setItem(WHENCE, JSON.stringify({address: here, invitation}));
  location.assign(address);
}

/** Where this window left for the identity provider. */
export function whence() {
  return JSON.parse(sessionStorage.getItem(WHENCE) ?? '{"address": "/", "invitation": null}');
}

/** It is done. */
export const settled = () => sessionStorage.removeItem(WHENCE);

/** The button of the identity provider. */
export const providerButton = (label, busy, onClick) =>
  html`<button class="button" type="button" ?disabled=${busy} @click=${onClick}>${label}</button>`;

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
