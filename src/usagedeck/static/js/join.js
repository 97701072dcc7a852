/** `<ud-join>`: where the link of an invitation leads. Its token stands behind the #, which browsers keep to themselves. */
import {LitElement, html, nothing} from '../vendor/lit.js';
import {entry, ground, leave, post, providerButton, signIn} from './entry.js';
import {recall} from './state.js';
import {base, tokens} from './styles.js';

const DO = {new_password: 'Join', sign_in: 'Sign in and join', nothing: 'Join'};

class Join extends LitElement {
  static properties = {
    theme: {reflect: true},
    /** What the link is for. */
    _opened: {state: true},
    _problem: {state: true},
    _busy: {state: true},
  };

  static styles = [tokens, base, ground, entry];

  constructor() {
    super();
    this.theme = recall('theme') ?? 'auto';
    document.documentElement.dataset.theme = this.theme;
    this._look = this._look.bind(this);
  }

  connectedCallback() {
    super.connectedCallback();
    addEventListener('hashchange', this._look);
    this._look();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    removeEventListener('hashchange', this._look);
  }

  get _token() {
    return location.hash.slice(1);
  }

  async _look() {
    const token = this._token;
    Object.assign(this, {_opened: null, _problem: null});
    try {
      const opened = await post('/api/v1/invitations/open', {token});
      if (token === this._token) this._opened = opened;
    } catch (problem) {
      if (token === this._token) this._problem = problem;
    }
    if (this._opened) document.title = `Join ${this._opened.workspace}`;
    await this.updateComplete;
    this.renderRoot.querySelector('input:not([readonly]), .button')?.focus();
  }

  render() {
    return html`<div class="frame"><main class="card" aria-busy=${!this._opened && !this._problem}>${this._content()}</main></div>`;
  }

  _content() {
    if (this._opened) return this._form(this._opened);
    return html`<h1>Invitation</h1>
      ${
        this._problem
          ? html`<div class="choices"><div class="alert" role="alert">${this._problem.message}</div>
        <a class="button" href="/">Go to the sign-in</a></div>`
          : nothing
      }`;
  }

  _form({workspace, email, role, invited_by: sender, asks, shortest_password: shortest, password, provider}) {
    const choose = asks === 'new_password' && password;
    const signIn = asks === 'sign_in' && password;
    return html`<h1>Join ${workspace}</h1>
      <p class="muted">${sender ? `${sender} invites you` : 'You are invited'} as ${role}.</p>
      <form @submit=${this._onSubmit}>
        ${this._problem ? html`<div class="alert" role="alert">${this._problem.message}</div>` : nothing}
        <label>E-mail<input class="field" type="email" name="email" autocomplete="username" readonly .value=${email}></label>
        ${
          choose
            ? html`<label>Your name<input class="field" name="name" autocomplete="name" maxlength="200"></label>
        <label>Choose a password<input class="field" type="password" name="password" autocomplete="new-password" required
          minlength=${shortest} maxlength="1000" aria-describedby="rule"></label>
        <p class="small muted" id="rule">At least ${shortest} characters.</p>`
            : nothing
        }
        ${
          signIn
            ? html`<p>This address has an account. Sign in with it to join.</p>
        <label>Password<input class="field" type="password" name="password" autocomplete="current-password" required
          maxlength="1000"></label>`
            : nothing
        }
        ${choose || signIn || asks === 'nothing' ? html`<button class="button primary" ?disabled=${this._busy}>${DO[asks]}</button>` : nothing}
        ${provider && asks !== 'nothing' ? providerButton(provider, this._busy, () => this._do(() => leave(this._token))) : nothing}
      </form>`;
  }

  async _onSubmit(event) {
    event.preventDefault();
    const {email, asks} = this._opened;
    const {name = '', password} = Object.fromEntries(new FormData(event.target));
    await this._do(async () => {
      if (asks === 'sign_in') await signIn(email, password);
      const chosen = asks === 'new_password' ? {name, password} : {};
      const {workspace} = await post('/api/v1/invitations/accept', {token: this._token, ...chosen});
      location.replace(`/?workspace=${encodeURIComponent(workspace)}`);
    });
  }

  /** One thing at a time; what goes wrong is said. */
  async _do(act) {
    this._busy = true;
    this._problem = null;
    try {
      await act();
    } catch (problem) {
      this._problem = problem;
      this._busy = false;
    }
  }
}
customElements.define('ud-join', Join);
