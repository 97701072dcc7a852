/** `<ud-log>`: single requests or deliveries; search, filters, a histogram of what matches, pages older and newer, a drawer. */
import {LitElement, css, html, live, nothing} from '../../vendor/lit.js';
import {Question, anythingQuestion, asCsv, counted, get, logQuestion, usageQuestion} from '../api.js';
import {withFilter} from '../catalog.js';
import {byStatus, columnsOf, overTime, sumOf} from '../chart/figures.js';
import '../chart/plot.js';
import {finest, span} from '../ranges.js';
import {base} from '../styles.js';
import {cardBody, nothingMatches} from '../ui/card.js';
import '../ui/controls.js';
import {perSwitch, toolbar} from '../ui/toolbar.js';
import {logTable} from './rows.js';

const BARS = 200;
const PAGE = 100;
const TYPING = 300;
const DOCKED = 1000;
/** Rows that arrived and stay on the page; older ones are in the log. */
const MOST_FRESH = 500;
/** Something typed that may be a filter. */
const FILTER = /\p{L}[\p{L}\p{N}_.-]*:/u;
/** Something searched that may be an id: one word of some length with a figure in it. */
const ID = /^(?=.*\d)[\w.:-]{6,200}$/;
const TITLES = {requests: 'Requests', deliveries: 'Deliveries', attempts: 'Delivery attempts'};

class Log extends LitElement {
  static properties = {page: {attribute: false}, _docked: {state: true}, _fresh: {state: true}, _reading: {state: true}};

  static styles = [
    base,
    css`
    .find { position: relative; flex: 1 1 260px; max-width: 420px; }
    .find kbd { position: absolute; right: 8px; top: 7px; pointer-events: none; }
    .find input:focus + kbd { display: none; }
    .sides { display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; align-items: start; margin-top: 12px; }
    .sides.open { grid-template-columns: minmax(0, 1fr) 440px; }
    .table { padding: 0; overflow: hidden; }
    .table > header { padding: 12px 16px; margin: 0; align-items: center; }
    .scroll { max-height: max(420px, calc(100vh - 330px)); border-top: 1px solid var(--ud-border); }
    .pages { display: flex; justify-content: space-between; gap: 8px; padding: 8px 16px; border-top: 1px solid var(--ud-border); }
    .state, .alert { margin: 12px 16px; }
    ud-columns { display: contents; }
    thead th { position: sticky; top: 0; z-index: 1; background: var(--ud-surface-2); box-shadow: inset 0 -1px var(--ud-border); }
    tbody td { height: 36px; padding-block: 0; white-space: nowrap; max-width: 420px; overflow: hidden; text-overflow: ellipsis; }
    .compact tbody td { height: 28px; font-size: 12px; }
    tbody tr { cursor: pointer; }
    tbody tr.picked, tbody tr.picked:hover { background: var(--ud-accent-soft); }
    .open-row { min-height: 24px; padding: 0; border: 0; background: none; font: inherit; cursor: pointer; }
    .histogram { padding: 12px 16px 4px; }
    @media (prefers-reduced-motion: no-preference) {
      tr.fresh { animation: arrive 1.5s; }
      @keyframes arrive { from { background: var(--ud-accent-soft); } }
    }
  `,
  ];

  constructor() {
    super();
    const learn = (data) => this.page.names.learn(data);
    this._rows = new Question(this, learn, (...asked) => this._find(...asked));
    this._counts = new Question(this, undefined, (...asked) => this._count(...asked));
    this._anything = new Question(this);
    this._docked = true;
    this._fresh = [];
    this._reading = {};
    this._resized = new ResizeObserver(([entry]) => {
      this._docked = entry.contentRect.width >= DOCKED;
    });
  }

  connectedCallback() {
    super.connectedCallback();
    this._resized.observe(this);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this._resized.disconnect();
    clearTimeout(this._typing);
  }

  willUpdate(changed) {
    if (this._base !== this._rows.data) {
      this._base = this._rows.data;
      this._fresh = [];
    }
    if (!changed.has('page')) return;
    const {page} = this;
    const {state, catalog} = page;
    this._columns = state.cols.split(',').map((name) => catalog.column(name, state));
    const names = this._columns.map((c) => c.name);
    const asked = [...new Set([...names, 'id', 'time', 'status'])];
    this._rows.ask(logQuestion(page, {columns: asked.join(), cursor: state.cursor, limit: PAGE}));
    this._follows = state.live === 'on' && counted(page) !== 'deliveries'; // attempts arrive
    this._tail = this._follows && !state.cursor && asked.join();
    this._csv = asCsv(logQuestion(page, {columns: names.join()}));
    this._all = this._countQuestion(false);
    if (this._counts.url !== this._all) this._counts.ask(this._countQuestion());
  }

  /** How much matches over time. Words are looked for in very many rows only when it is not `sparing`. */
  _countQuestion(sparing = true, page = this.page) {
    const {state, asOf} = page;
    // what was active began at any time before: there is no histogram of that
    const interval = state.active === 'on' ? 'total' : finest(span(state.r, asOf), BARS).name;
    const asked = {metric: counted(page), by: 'status_class', interval};
    const more = {unless_costly: sparing && Boolean(state.q)};
    return usageQuestion(page, {...asked, ...more}, {subject: state.of, search: state.q});
  }

  render() {
    const {page} = this;
    const {state} = page;
    const rows = this._shown;
    const none = rows && !rows.rows.length && !this._rows.loading && !state.cursor && !rows.reached;
    if (none && !state.f.length && !state.q && state.of === 'requests') this._anything.ask(anythingQuestion(page));
    if (none && !this._anything.loading && this._anything.data?.rows.length === 0 && state.of === 'requests' && !state.id) {
      import('./welcome.js');
      return html`<ud-welcome .page=${page}></ud-welcome>`;
    }
    if (state.id) import('../drawer.js');
    const switcher = html`
      <ud-segments label="About" .items=${[
        {value: 'requests', title: 'API requests'},
        {value: 'deliveries', title: 'Webhooks'},
      ]} .value=${state.of}
        @pick=${(e) => page.go({of: e.detail, id: ''})}></ud-segments>${perSwitch(page)}
      <div class="find"><input class="field" id="search" type="search" maxlength="500" aria-label="Search the log" aria-keyshortcuts="/" spellcheck="false"
        autocomplete="off"
        placeholder="Search, or status:5xx path:/v1/…" .value=${live(this._draft ?? state.q)} @input=${this._onTyped} @keydown=${this._onSearchKey}
        @change=${this._take}><kbd aria-hidden="true">/</kbd></div>`;
    return html`
      ${toolbar(page, {subject: state.of, window: rows?.active_in ?? rows?.window ?? null, csv: this._csv, start: switcher, kept: rows?.available_from})}
      ${this._lookup()}${this._histogram()}
      <div class="sides ${state.id && this._docked ? 'open' : ''}">
        <section class="card table ${state.density}" aria-labelledby="title">
          <header><h2 id="title">${TITLES[counted(page)]}</h2><span class="muted">${this._matches()}</span>
            <div class="end">${this._live()}<button class="button" aria-pressed=${this._follows} aria-keyshortcuts="L"
                @click=${this.toggleLive}>Live</button><button class="button" aria-haspopup="dialog" @click=${this._pickColumns}>Columns</button><ud-columns
              .page=${page}></ud-columns>
              <button class="button" aria-pressed=${state.density === 'compact'}
                @click=${() => page.go({density: state.density === 'compact' ? 'normal' : 'compact'})}>Compact</button></div></header>
          ${cardBody([this._rows], 420, () =>
            none
              ? nothingMatches(page, state.of)
              : html`
            <div class="scroll" role="region" aria-label="Rows" tabindex="0" @scroll=${(e) => this._reads('scroll', e.target.scrollTop > 0)}
              @pointerenter=${() => this._reads('pointer', true)} @pointerleave=${() => this._reads('pointer', false)}
              @focusin=${() => this._reads('focus', true)} @focusout=${() => this._reads('focus', false)}
              >${logTable(page, rows, this._columns, (id, from) => this._open(id, from))}</div>
            ${rows.reached ? html`<ud-finding .page=${page} .answer=${rows} .going=${this._rows.loading} @stop=${() => this._rows.stop()}></ud-finding>` : nothing}
            <div class="pages">
              <button class="button" ?disabled=${!rows.newer} @click=${() => page.go({cursor: rows.newer, id: ''})}>‹ Newer</button>
              <button class="button" ?disabled=${!rows.older} @click=${() => page.go({cursor: rows.older, id: ''})}>Older ›</button></div>`,
          )}
        </section>
        ${
          state.id
            ? html`<ud-drawer .page=${page} .docked=${this._docked} @walk=${(e) => this._walk(e.detail)}
          @closed=${this._onClosed}></ud-drawer>`
            : nothing
        }
      </div>`;
  }

  _lookup() {
    const {page} = this;
    if (!ID.test(page.state.q)) return nothing;
    import('./lookup.js');
    return html`<ud-lookup .page=${page} .text=${page.state.q}></ud-lookup>`;
  }

  /** Rows that have to be looked for are shown as they are found. */
  async _find(url, signal, partly) {
    const {q, f} = this.page.state;
    return q || f.length ? (await import('./finding.js')).find(url, signal, partly) : get(url, signal);
  }

  /** What matches is counted behind the first rows where words are searched: both would look at the same events. */
  async _count(url, signal) {
    if (this.page.state.q) await this._rows.begun;
    return get(url, signal);
  }

  // --- what arrives

  /** The page of the log, and on top of it what arrived since. */
  get _shown() {
    const {data} = this._rows;
    return data && this._fresh.length ? {...data, rows: [...this._fresh, ...data.rows], fresh: this._fresh.length} : data;
  }

  _live() {
    const {data, loading, error} = this._rows;
    if (!this._tail || !data || loading || error) return nothing;
    import('./live.js');
    const hold = Boolean(this.page.state.id || Object.values(this._reading).some(Boolean));
    return html`<ud-live .page=${this.page} .columns=${this._tail} .place=${data.place} .hold=${hold} .recount=${this._recount}
      @fresh=${this._onFresh} @top=${this._onTop} @stale=${() => this.page.refresh()}></ud-live>`;
  }

  /** Follow new rows, or no longer. */
  toggleLive() {
    this.page.go(this._follows ? {live: 'off'} : {live: 'on', per: 'attempts', cursor: ''}, {replace: true});
  }

  /** What has arrived since is counted, too. */
  _recount = async () => {
    const {page} = this;
    const found = await get(this._countQuestion(true, Object.create(page, {asOf: {value: page.now()}}))).catch(() => null);
    if (!found || found.costly || page !== this.page) return;
    this._counts.data = found;
    this.requestUpdate();
  };

  _onFresh({detail: rows}) {
    const {columns, rows: page} = this._rows.data;
    const [id, time] = ['id', 'time'].map((name) => columns.findIndex((c) => c.name === name));
    const key = (row) => row[id] + row[time];
    const known = new Set(page.map(key));
    this._rows.onData({columns, rows});
    this._fresh = [...rows.filter((row) => !known.has(key(row))), ...this._fresh].slice(0, MOST_FRESH);
  }

  _onTop() {
    this.renderRoot.querySelector('.scroll')?.scrollTo({top: 0});
  }

  /** Somebody looks at the rows, so they stay where they are. */
  _reads(how, does) {
    if (Boolean(this._reading[how]) !== does) this._reading = {...this._reading, [how]: does};
  }

  // --- what matches

  get _data() {
    const {data} = this._counts;
    const answer = data?.costly ? null : data;
    const metric = answer && this.page.catalog.metric(Object.keys(columnsOf(answer)).at(-1));
    return answer && {metric, ...byStatus(overTime(answer, ['status_class'], metric))};
  }

  _matches() {
    const {formats, state} = this.page;
    const data = state.q && this._counts.loading ? null : this._data;
    const [least, total] = data ? ['', sumOf(data.series)] : this._found();
    if (!total) return nothing;
    return html`${least} <span data-total=${least ? nothing : total}>${formats.number(total)}</span> ${total === '1' ? 'match' : 'matches'}`;
  }

  /** What a search says of that before they are counted: so many rows it has found. */
  _found() {
    const {data, loading, partial} = this._rows;
    const {q, cursor} = this.page.state;
    if (!q || !data || (loading && !partial)) return ['', ''];
    const {reached, older, newer, rows} = data;
    return [reached ? 'at least' : older || newer || cursor ? 'more than' : '', String(rows.length || '')];
  }

  _histogram() {
    const data = this._data;
    if (this._counts.error || this.page.state.active === 'on') return nothing;
    return html`<section class="card histogram" aria-label="Matches over time">${cardBody([this._counts], 96, () =>
      data
        ? html`<ud-chart .page=${this.page}
      .data=${data} .metric=${data.metric} .height=${96} name="Matches by status"
      .opens=${(r) => ({r, id: ''})}></ud-chart>`
        : this._costly(),
    )}</section>`;
  }

  _costly() {
    import('./uncounted.js');
    return html`<ud-uncounted .page=${this.page} .costly=${this._counts.data.costly} @count=${this._countAll}></ud-uncounted>`;
  }

  _countAll() {
    this._counts.ask(this._all);
    this.requestUpdate();
  }

  // --- searching

  /** Put the cursor into the search box. */
  search() {
    this.renderRoot.querySelector('#search').focus();
  }

  _onTyped(event) {
    this._draft = event.target.value;
    if (FILTER.test(this._draft)) import('../typed.js'); // there before it is taken
    clearTimeout(this._typing);
    this._typing = setTimeout(() => {
      if (!FILTER.test(this._draft ?? '')) this.page.go({q: (this._draft ?? '').trim()}, {replace: true});
    }, TYPING);
  }

  /** What was typed becomes chips and words. */
  async _take() {
    clearTimeout(this._typing);
    const draft = this._draft;
    this._draft = undefined;
    if (draft === undefined) return;
    const {typedFilters, identified} = FILTER.test(draft) ? await import('../typed.js') : {};
    const {page} = this;
    const {filters, rest} = typedFilters?.(draft, page.catalog, page.state) ?? {filters: [], rest: draft.trim()};
    const meant = filters.length ? await identified(filters, page) : [];
    this.page.go({q: rest, f: meant.reduce((all, f) => withFilter(all, f), this.page.state.f)});
    this.requestUpdate();
  }

  async _onSearchKey(event) {
    if (event.key === 'Enter') this._take();
    if (event.key !== 'Backspace' || event.target.value || !this.page.state.f.length) return;
    event.preventDefault();
    const {typed} = await import('../typed.js');
    const {f} = this.page.state;
    if (!f.length) return;
    this._draft = typed(f.at(-1));
    this.page.go({f: f.slice(0, -1)}, {replace: true});
  }

  async _pickColumns({currentTarget: button}) {
    await import('./columns.js');
    this.renderRoot.querySelector('ud-columns').open(button);
  }

  // --- the drawer

  _open(id, from) {
    this._opener = from;
    this.page.go({id}, {replace: Boolean(this.page.state.id)});
    customElements.whenDefined('ud-drawer').then(() => this.renderRoot.querySelector('ud-drawer')?.focus());
  }

  _walk(step) {
    const ids = this._ids;
    const next = ids[ids.indexOf(this.page.state.id) + step];
    if (next) this.page.go({id: next}, {replace: true});
  }

  get _ids() {
    const {columns, rows} = this._shown;
    const at = columns.findIndex((c) => c.name === 'id');
    return rows.map((r) => r[at]);
  }

  _onClosed() {
    const {id} = this.page.state;
    this.page.go({id: ''});
    this.updateComplete.then(() =>
      (this.renderRoot.querySelector(`[data-id="${CSS.escape(id)}"]`) ?? this.renderRoot.querySelector('.scroll'))?.focus(),
    );
  }
}
customElements.define('ud-log', Log);
