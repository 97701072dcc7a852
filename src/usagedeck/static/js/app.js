/** `<usage-deck>`: the frame of the page. It signs in, holds the state, shows one tab, and hands every part a `Page`. */
import {LitElement, css, html, nothing} from '../vendor/lit.js';
import {Names, get} from './api.js';
import {Catalog} from './catalog.js';
import {Formats} from './format.js';
import {AREAS, TABS, absolute, address, changed, current, format, keep, onTravel, parse, recall, write} from './state.js';
import {base, tokens} from './styles.js';
import './tabs/analytics.js';
import './tabs/log.js';
import './tabs/usage.js';
import {problemNote} from './ui/card.js';
import './ui/controls.js';

class Page {
  /**
   * @param {{me: object, catalog: import('./catalog.js').Catalog, names: Names, clock: () => number}} session
   * @param {import('./types.js').State} state
   * @param {string[][]} rest parameters of others
   * @param {number} asOf the instant that counts as now in every question of this view
   * @param {(state: import('./types.js').State, options: object) => void} show
   * @param {() => void} refresh ask everything again, as of now
   */
  constructor(session, state, {rest, asOf, show, refresh}) {
    Object.assign(this, session, {state, asOf, refresh, _rest: rest, _show: show});
    this.formats = formatsOf(state.tz);
  }

  /** The server's clock. */
  now() {
    return this.clock();
  }

  _after(change) {
    return changed(this.state, change, this);
  }

  /** Change the state; a deliberate change is a step of history, `replace` is not. */
  go(change, options = {}) {
    this._show(this._after(change), options);
  }

  href(change) {
    return address(format(this._after(change), this, this._rest));
  }

  absolute(change) {
    return absolute(format(this._after(change), this, this._rest));
  }

  /** May the values of that dimension be listed in this view? */
  lists(name) {
    return this.state.scope === 'workspace' || !this.catalog.dimension(name).workspace_only;
  }

  /** A link to a changed state that works like any link: in a new tab, too. @param [current] it leads to where one is */
  link(change, content, current = false) {
    return html`<a href=${this.href(change)} aria-current=${current ? 'page' : nothing} @click=${(event) => {
      if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      this.go(change);
    }}>${content}</a>`;
  }
}

const made = new Map();

function formatsOf(zone) {
  if (!made.has(zone)) made.set(zone, new Formats(zone));
  return made.get(zone);
}

// --- the frame

const TITLES = {usage: 'Usage', analytics: 'Analytics', log: 'Request log', ...AREAS};
const THEMES = {auto: 'light', light: 'dark', dark: 'auto'};
/** How long answers keep counting as "now" while the reader looks around in them. */
const STEADY = 60_000;
/** Parameters that change how answers are shown, not what is asked. */
const LOOKS = ['hide', 'view', 'scale', 'density', 'id', 'cols', 'live'];

class UsageDeck extends LitElement {
  static properties = {
    theme: {reflect: true},
    _page: {state: true},
    _notices: {state: true},
    _problem: {state: true},
    _signedOut: {state: true},
  };

  static styles = [
    tokens,
    base,
    css`
    :host {
      min-height: 100vh; background: var(--ud-bg); color: var(--ud-text); font: 14px/20px var(--ud-font); text-align: left;
      letter-spacing: normal; word-spacing: normal; text-transform: none; text-indent: 0; font-style: normal; white-space: normal; cursor: auto;
    }
    .frame { container-type: inline-size; max-width: 1280px; margin: 0 auto; padding: 20px 24px 48px; }
    .top { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 16px; min-height: 32px; }
    .top > .end { display: flex; flex-wrap: wrap; align-items: center; gap: 4px; margin-left: auto; min-width: 0; }
    [role="tablist"] { display: flex; gap: 24px; margin-top: 12px; border-bottom: 1px solid var(--ud-border); overflow-x: auto; }
    [role="tab"] {
      min-height: 44px; padding: 0 2px; border: 0; border-bottom: 2px solid transparent; background: none;
      color: var(--ud-text-2); font: 400 14px/20px var(--ud-font); white-space: nowrap; cursor: pointer;
    }
    [role="tab"][aria-selected="true"] { color: var(--ud-text); border-bottom-color: var(--ud-accent); }
    [role="tab"]:focus-visible { outline-offset: -4px; }
    [role="tabpanel"]:focus { outline: none; }
    .notice {
      display: flex; align-items: center; gap: 8px; margin-top: 12px; padding: 6px 12px;
      border: 1px solid var(--ud-warn); border-radius: 8px; background: var(--ud-warn-soft); color: var(--ud-warn);
    }
    @media (max-width: 860px) { .frame { padding: 12px 12px 32px; } }
    @media (forced-colors: active) { [role="tab"][aria-selected="true"] { border-bottom-color: Highlight; } }
  `,
  ];

  constructor() {
    super();
    this._notices = [];
    this.theme = recall('theme') ?? 'auto';
    this.addEventListener('ud-signed-out', () => (this._signedOut = true));
    this.addEventListener('ud-renewed', () => this._start());
    this._onKey = this._onKey.bind(this);
    this._reload = () => this._page && this._page.refresh();
  }

  connectedCallback() {
    super.connectedCallback();
    this._stop = onTravel(() => this._read());
    document.addEventListener('keydown', this._onKey);
    addEventListener('online', this._reload);
    this._start();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this._stop();
    document.removeEventListener('keydown', this._onKey);
    removeEventListener('online', this._reload);
  }

  willUpdate(changes) {
    if (changes.has('theme')) document.documentElement.dataset.theme = this.theme;
  }

  // --- who reads, and what

  async _start() {
    this._problem = null;
    const latest = Symbol('start');
    this._latest = latest;
    const workspace = new URLSearchParams(current()).get('workspace');
    try {
      const [me, catalog] = await Promise.all([
        this._me(workspace),
        this._session?.catalog ?? get('/api/v1/catalog').then((a) => new Catalog(a)),
      ]);
      if (this._latest !== latest) return;
      const [server, here] = [Date.parse(me.now), performance.now()];
      this._session = {
        me,
        catalog,
        names: new Names(() => this._page && this._turn(this._page.state)),
        clock: () => server + Math.round(performance.now() - here),
      };
      this._signedOut = false;
      this._read();
    } catch (problem) {
      if (problem.status === 401) this._signedOut = true;
      else this._problem = problem;
    }
  }

  async _me(workspace) {
    try {
      return await get(`/api/v1/me${workspace ? `?workspace=${encodeURIComponent(workspace)}` : ''}`);
    } catch (problem) {
      if (workspace && problem.status === 404) return get('/api/v1/me');
      throw problem;
    }
  }

  /** Take the state from the address. */
  _read() {
    if (!this._session) return;
    const workspace = new URLSearchParams(current()).get('workspace') ?? this._session.me.workspaces[0].id;
    const {me} = this._session;
    if (workspace !== me.workspace.id && me.workspaces.some((w) => w.id === workspace)) {
      this._start();
      return;
    }
    const {state, notices, rest} = parse(current(), this._session);
    this._rest = rest;
    this._notices = notices;
    this._asOf = this._session.clock();
    this._turn(state);
  }

  _turn(state) {
    this._page = new Page(this._session, state, {
      rest: this._rest,
      asOf: this._asOf,
      show: (next, options) => this._show(next, options),
      refresh: () => this._refresh(),
    });
    document.title = `${TITLES[state.tab]} – ${this._session.me.workspace.name}`;
  }

  _refresh() {
    this._asOf = this._session.clock();
    this._turn(this._page.state);
  }

  _show(state, options) {
    const before = this._page.state;
    const asks = Object.keys(state).some((name) => state[name] !== before[name] && !LOOKS.includes(name));
    if (asks && this._session.clock() - this._asOf > STEADY) this._asOf = this._session.clock();
    if (asks) this._notices = [];
    write(format(state, this._session, this._rest), options);
    if (state.workspace === before.workspace) this._turn(state);
    else this._start();
  }

  // --- what is shown

  render() {
    if (this._signedOut) {
      import('./sign-in.js');
      return html`<div class="frame"><ud-sign-in @signed-in=${() => this._start()}></ud-sign-in></div>`;
    }
    if (this._problem)
      return html`<div class="frame"><h1>Developers</h1><br>${problemNote(this._problem, () => this._start())}</div>`;
    const page = this._page;
    if (!page) return html`<div class="frame" aria-busy="true"><h1>Developers</h1></div>`;
    const {tab} = page.state;
    return html`<div class="frame">
      <header><div class="top"><h1>Developers</h1>${tab in AREAS ? nothing : this._scope(page)}<div class="end">${this._tools(page)}</div></div>
      <div role="tablist" aria-label="Views" @keydown=${this._onTabKey}>${TABS.map(
        (name, i) => html`<button role="tab" id="tab-${name}" aria-selected=${name === tab}
        aria-controls="panel" aria-keyshortcuts=${i + 1} tabindex=${name === tab || (tab in AREAS && !i) ? 0 : -1} @click=${() => this._open(name)}>${TITLES[name]}</button>`,
      )}</div></header>
      <main>
      ${this._notices.map(
        (
          text,
        ) => html`<div class="notice" role="status"><span class="grow">${text}</span><button class="button plain tiny" aria-label="Dismiss"
        @click=${() => (this._notices = this._notices.filter((n) => n !== text))}>✕</button></div>`,
      )}
      <div id="panel" role=${tab in AREAS ? nothing : 'tabpanel'} aria-labelledby=${tab in AREAS ? nothing : `tab-${tab}`}>${
        tab in AREAS
          ? this._area(page)
          : tab === 'usage'
          ? html`<ud-usage class="tab" .page=${page}></ud-usage>`
          : tab === 'analytics'
            ? html`<ud-analytics class="tab" .page=${page}></ud-analytics>`
            : html`<ud-log class="tab" .page=${page}></ud-log>`
      }</div></main>
      <ud-help></ud-help></div>`;
  }

  _area(page) {
    import('./workspace/area.js');
    return html`<ud-area class="tab" .page=${page}></ud-area>`;
  }

  _scope({me, state}) {
    if (!me.switch_views) return nothing;
    return html`<ud-segments label="Whose usage" .items=${[
      {value: 'account', title: 'My account'},
      {value: 'workspace', title: 'Workspace', reason: me.refused_views.workspace},
    ]}
      .value=${state.scope} @pick=${(e) => this._page.go({scope: e.detail})}></ud-segments>`;
  }

  _tools({me, state}) {
    const name = me.user.name || me.user.email || 'API key';
    return html`
      ${
        me.workspaces.length > 1
          ? html`<ud-menu label="Workspace" quiet align="end" ?search=${me.workspaces.length > 8}
        .items=${me.workspaces.map((w) => ({value: w.id, title: w.name}))} .value=${state.workspace}
        @pick=${(e) => this._page.go({workspace: e.detail, f: []})}></ud-menu>`
          : nothing
      }
      <button class="button plain icon" aria-label="Keyboard shortcuts" @click=${this._help}><kbd aria-hidden="true">?</kbd></button>
      <button class="button plain icon" aria-label="Theme: ${this.theme}; switch to ${THEMES[this.theme]}" title="Theme: ${this.theme}"
        @click=${this._nextTheme}
        ><span aria-hidden="true">${{auto: '◐', light: '○', dark: '●'}[this.theme]}</span></button>
      <ud-menu label="Signed in as" quiet align="end" .text=${name} .items=${[
        ...Object.entries(AREAS).map(([value, title]) => ({value, title, reason: me.areas[value]})),
        {value: 'docs', title: 'API reference'},
        {value: 'out', title: 'Sign out', hint: me.user.email},
      ]}
        @pick=${this._onAccount}></ud-menu>`;
  }

  // --- what is done

  _open(tab) {
    this._page.go({tab, cursor: '', id: ''});
  }

  _nextTheme() {
    this.theme = THEMES[this.theme];
    keep('theme', this.theme);
  }

  async _onAccount({detail}) {
    if (detail in AREAS) this._open(detail);
    else if (detail === 'docs') location.assign('/docs');
    else {
      const {signOut} = await import('./entry.js');
      await signOut().catch((problem) => (this._problem = problem));
      Object.assign(this, {_session: null, _page: null, _signedOut: !this._problem});
    }
  }

  async _help() {
    await import('./help.js');
    const help = this.renderRoot.querySelector('ud-help');
    await help.updateComplete;
    help.open();
  }

  _onTabKey(event) {
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!step) return;
    event.preventDefault();
    const next = TABS[(TABS.indexOf(this._page.state.tab) + step + TABS.length) % TABS.length];
    this._open(next);
    this.updateComplete.then(() => this.renderRoot.querySelector(`#tab-${next}`).focus());
  }

  /** Single keys act only while the focus is here and in no field. */
  _onKey(event) {
    const from = event.composedPath()[0];
    const inside = event.composedPath().includes(this) || document.activeElement === document.body;
    const busy = event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !this._page || this._signedOut;
    const open = event.composedPath().some((n) => n.matches?.(':popover-open, dialog:modal'));
    if (!inside || busy || open || from.matches?.('input, select, textarea') || recall('shortcuts') === 'off') return;
    const tab = this.renderRoot.querySelector('.tab');
    const acts = {
      1: () => this._open('usage'),
      2: () => this._open('analytics'),
      3: () => this._open('log'),
      f: () => tab.renderRoot.querySelector('ud-filters')?.add(),
      '/': () => (tab.search ? tab.search() : tab.renderRoot.querySelector('ud-filters')?.add()),
      e: () => tab.renderRoot.querySelector('[data-export]')?.click(),
      v: () => tab.toggleTable?.(),
      l: () => tab.toggleLive?.(),
      r: () => this._page.refresh(),
      '?': () => this._help(),
    };
    const act = acts[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }
}
customElements.define('usage-deck', UsageDeck);
