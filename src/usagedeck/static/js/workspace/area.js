/** `<ud-area>`: the pages beside the tabs: about the workspace and about oneself. Each is loaded when it is opened. */
import {LitElement, css, html, nothing} from '../../vendor/lit.js';
import {AREAS} from '../state.js';
import {base} from '../styles.js';

const PARTS = {
  members: [() => import('./members.js'), (page) => html`<ud-members .page=${page}></ud-members>`],
  keys: [() => import('./keys.js'), (page) => html`<ud-keys .page=${page}></ud-keys>`],
  webhooks: [() => import('./webhooks.js'), (page) => html`<ud-webhooks .page=${page}></ud-webhooks>`],
  settings: [() => import('./settings.js'), (page) => html`<ud-settings .page=${page}></ud-settings>`],
  audit: [() => import('./audit.js'), (page) => html`<ud-audit .page=${page}></ud-audit>`],
  sessions: [() => import('./sessions.js'), (page) => html`<ud-sessions .page=${page}></ud-sessions>`],
};

class Area extends LitElement {
  static properties = {page: {attribute: false}};

  static styles = [
    base,
    css`
    .columns { display: grid; grid-template-columns: 176px minmax(0, 1fr); gap: 24px; margin-top: 16px; }
    nav { min-width: 0; }
    nav ul { display: grid; gap: 2px; position: sticky; top: 12px; }
    nav a, nav .closed {
      display: flex; align-items: center; min-height: 32px; padding: 0 10px; border-radius: 8px; color: var(--ud-text-2);
      text-decoration: none; white-space: nowrap; font-size: 13px;
    }
    nav a:hover { background: var(--ud-hover); }
    nav a[aria-current] { background: var(--ud-accent-soft); color: var(--ud-accent-2); font-weight: 500; }
    nav .closed { color: var(--ud-text-3); cursor: not-allowed; }
    nav a:focus-visible { outline-offset: -2px; }
    @container (width < 860px) {
      .columns { grid-template-columns: minmax(0, 1fr); gap: 12px; }
      nav ul { display: flex; overflow-x: auto; position: static; padding-bottom: 4px; }
    }
    @media (pointer: coarse) { nav a, nav .closed { min-height: 44px; } }
    @media (forced-colors: active) { nav a[aria-current] { outline: 2px solid Highlight; outline-offset: -2px; } }
  `,
  ];

  render() {
    const {me, state} = this.page;
    const reason = me.areas[state.tab];
    return html`<div class="columns">
      <nav aria-label="Workspace and account"><ul>${Object.entries(AREAS).map(
        ([name, title]) => html`<li>${this._way(name, title, me.areas[name])}</li>`,
      )}</ul></nav>
      <div>${reason ? this._closed(reason) : this._part(state.tab)}</div></div>`;
  }

  updated() {
    const {tab} = this.page.state;
    if (tab !== this._at) this.renderRoot.querySelector('[aria-current]')?.scrollIntoView({block: 'nearest', inline: 'nearest'});
    this._at = tab;
  }

  _way(name, title, reason) {
    if (reason) return html`<span class="closed" title=${reason}>${title}<span class="only-read">: ${reason}</span></span>`;
    return this.page.link({tab: name}, title, name === this.page.state.tab);
  }

  _closed(reason) {
    return html`<section class="card"><h2>${AREAS[this.page.state.tab]}</h2><div class="state"><p>${reason}</p></div></section>`;
  }

  _part(name) {
    const [load, show] = PARTS[name];
    load();
    return show(this.page);
  }
}
customElements.define('ud-area', Area);
