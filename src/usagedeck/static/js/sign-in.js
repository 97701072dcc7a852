/** `<ud-sign-in>`: asks for e-mail and password. Posts by fetch; the page's policy allows no form to be sent. Emits `signed-in`. */
import {LitElement, html, nothing} from '../vendor/lit.js';
import {signIn} from './api.js';
import {entry} from './entry.js';
import {base} from './styles.js';

class SignIn extends LitElement {
  static properties = {_problem: {state: true}, _busy: {state: true}};

  static styles = [base, entry];

  render() {
    return html`<main class="card"><h1>Developers</h1><p class="muted">Sign in to see usage, analytics and the request log.</p>
      <form @submit=${this._onSubmit}>
        ${this._problem ? html`<div class="alert" role="alert">${this._problem.message}</div>` : nothing}
        <label>E-mail<input class="field" type="email" name="email" autocomplete="username" required maxlength="200"></label>
        <label>Password<input class="field" type="password" name="password" autocomplete="current-password" required
          maxlength="1000"></label>
        <button class="button primary" ?disabled=${this._busy}>${this._busy ? 'Signing in' : 'Sign in'}</button>
      </form></main>`;
  }

  firstUpdated() {
    this.renderRoot.querySelector('input').focus();
  }

  async _onSubmit(event) {
    event.preventDefault();
    const {email, password} = Object.fromEntries(new FormData(event.target));
    this._busy = true;
    this._problem = null;
    try {
      await signIn(email, password);
      this.dispatchEvent(new CustomEvent('signed-in'));
    } catch (problem) {
      this._problem = problem;
    }
    this._busy = false;
  }
}
customElements.define('ud-sign-in', SignIn);
