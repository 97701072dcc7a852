/** `<ud-callback>`: where the identity provider sends browsers back to. It hands on what they bring and goes where they came from. */
import {LitElement, html, nothing} from '../vendor/lit.js';
import {entry, ground, post, settled, whence} from './entry.js';
import {recall} from './state.js';
import {base, tokens} from './styles.js';

class Callback extends LitElement {
  static properties = {theme: {reflect: true}, _problem: {state: true}};

  static styles = [tokens, base, ground, entry];

  constructor() {
    super();
    this.theme = recall('theme') ?? 'auto';
    document.documentElement.dataset.theme = this.theme;
    this._back = whence();
  }

  connectedCallback() {
    super.connectedCallback();
    this._finish();
  }

  async _finish() {
    const brought = Object.fromEntries(new URLSearchParams(location.search));
    const {state = '', code = '', error = '', iss = null} = brought;
    try {
      const {workspace} = await post('/api/v1/sign-in/provider/back', {state, code, error, iss, invitation: this._back.invitation});
      settled();
      location.replace(workspace ? `/?workspace=${encodeURIComponent(workspace)}` : this._back.address);
    } catch (problem) {
      this._problem = problem;
      await this.updateComplete;
      this.renderRoot.querySelector('.button').focus();
    }
  }

  /** Back to where it began, with the link of an invitation if that was it. */
  get _again() {
    return this._back.invitation ? `/join#${this._back.invitation}` : this._back.address;
  }

  render() {
    return html`<div class="frame"><main class="card" aria-busy=${!this._problem}><h1>Signing in</h1>
      ${
        this._problem
          ? html`<div class="choices"><div class="alert" role="alert">${this._problem.message}</div>
        <a class="button" href=${this._again}>Try again</a></div>`
          : nothing
      }</main></div>`;
  }
}
customElements.define('ud-callback', Callback);
