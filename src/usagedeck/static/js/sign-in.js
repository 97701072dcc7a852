/** `<ud-sign-in>`: the ways in that this server has. Posts by fetch; the page's policy allows no form to be sent. Emits `signed-in`. */
import {LitElement, html, nothing} from '../vendor/lit.js';
import {get} from './api.js';
import {entry, leave, providerButton, signIn} from './entry.js';
import {base} from './styles.js';

class SignIn extends LitElement {
  static properties = {_ways: {state: true}, _problem: {state: true}, _busy: {state: true}};

  static styles = [base, entry];

  connectedCallback() {
    super.connectedCallback();
    this._look();
  }

  async _look() {
    try {
      this._ways = await get('/api/v1/sign-in');
    } catch (problem) {
      this._problem = problem;
      this._ways = {password: true, provider: null};
    }
    await this.updateComplete;
    this.renderRoot.querySelector('input, button')?.focus();
  }

  render() {
    const {_ways: ways, _busy: busy} = this;
    return html`<main class="card" aria-busy=${!ways}><h1>Developers</h1>
      <p class="muted">Sign in to see usage, analytics and the request log.</p>
      ${ways ? html`<form @submit=${this._onSubmit}>
        ${this._problem ? html`<div class="alert" role="alert">${this._problem.message}</div>` : nothing}
        ${
          ways.password
            ? html`<label>E-mail<input class="field" type="email" name="email" autocomplete="username" required maxlength="200"></label>
        <label>Password<input class="field" type="password" name="password" autocomplete="current-password" required
          maxlength="1000"></label>
        <button class="button primary" ?disabled=${busy}>${busy ? 'Signing in' : 'Sign in'}</button>`
            : nothing
        }
        ${ways.provider ? providerButton(ways.provider, busy, () => this._do(leave)) : nothing}
      </form>` : nothing}</main>`;
  }

  async _onSubmit(event) {
    event.preventDefault();
    const {email, password} = Object.fromEntries(new FormData(event.target));
    await this._do(async () => {
      await signIn(email, password);
      this.dispatchEvent(new CustomEvent('signed-in'));
    });
  }

  async _do(act) {
    this._busy = true;
    this._problem = null;
    try {
      await act();
    } catch (problem) {
      this._problem = problem;
    }
    this._busy = false;
  }
}
customElements.define('ud-sign-in', SignIn);
