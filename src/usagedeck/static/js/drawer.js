/** `<ud-drawer>`: one request or delivery in full. Docked beside the table when there is room, else a sheet above the page. */
import {LitElement, css, html, nothing} from '../vendor/lit.js';
import {Question, valuesQuestion} from './api.js';
import './attempts.js';
import {is, withFilter} from './catalog.js';
import {curl} from './curl.js';
import './exchange.js';
import {exchangeQuestion, rowQuestion} from './questions.js';
import {explicit} from './ranges.js';
import './related.js';
import {base} from './styles.js';
import {problemNote} from './ui/card.js';
import {MONO, cellText, statusBadge} from './ui/cells.js';
import {copy, copyButton} from './ui/copy.js';

const AROUND = 60_000;
const DAY = 86_400_000;
const FIRST = [
  ...['id', 'time', 'status', 'duration_ms', 'ttfb_ms', 'api_key_id', 'user_id', 'group_ids', 'credits'],
  ...['error_code', 'error_message'],
];

class Drawer extends LitElement {
  static properties = {page: {attribute: false}, docked: {type: Boolean}};

  static styles = [
    base,
    css`
    dialog {
      width: 100%; max-width: none; max-height: none; margin: 0; padding: 0; overflow: hidden;
      border: 1px solid var(--ud-border); border-radius: 12px; background: var(--ud-surface); color: var(--ud-text);
    }
    dialog:not(:modal) { position: static; }
    dialog:modal { position: fixed; inset: 0; width: 100%; height: 100%; border: 0; border-radius: 0; overflow: auto; }
    dialog::backdrop { background: #0008; }
    header { display: flex; align-items: center; gap: 8px; padding: 12px 16px; border-bottom: 1px solid var(--ud-border); }
    header h2 { flex: 1; min-width: 0; font: 600 13px/20px var(--ud-mono); overflow-wrap: anywhere; }
    .body { padding: 16px; max-height: max(480px, calc(100vh - 210px)); overflow: auto; }
    dialog:modal .body { max-height: none; }
    dl { display: grid; grid-template-columns: minmax(96px, 32%) minmax(0, 1fr); margin: 12px 0 16px; font-size: 13px; }
    dt { padding: 3px 8px 3px 0; color: var(--ud-text-3); }
    dd { display: flex; align-items: flex-start; gap: 4px; padding: 3px 0; min-height: 26px; overflow-wrap: anywhere; }
    dd > .grow { overflow-wrap: anywhere; }
    dd .acts { display: flex; opacity: .55; }
    dd:hover .acts, dd:focus-within .acts { opacity: 1; }
    section { margin-bottom: 16px; }
    section h3 { margin-bottom: 6px; }
    .share {
      display: flex; height: 8px; margin: 6px 0; border-radius: 4px; overflow: hidden; background: var(--ud-c7);
      max-width: 200px;
    }
    .share > span { background: var(--ud-c5); }
  `,
  ];

  constructor() {
    super();
    this._row = new Question(this, (data) => this.page.names.learn(data));
    this._exchange = new Question(this);
    this.addEventListener('keydown', this._onKey);
  }

  willUpdate() {
    const {state} = this.page;
    this._row.ask(rowQuestion(this.page, state.of, state.id));
    const row = this._current();
    this._exchange.ask(row ? exchangeQuestion(this.page, row) : null);
  }

  updated() {
    const dialog = this.renderRoot.querySelector('dialog');
    if (dialog.open && dialog.matches(':modal') === !this.docked) return;
    if (dialog.open) {
      this._switching = true;
      dialog.close();
    }
    if (this.docked) dialog.setAttribute('open', '');
    else dialog.showModal();
  }

  async focus() {
    await this.updateComplete;
    this.renderRoot.querySelector('h2').focus();
  }

  render() {
    const {page} = this;
    const {data, error, loading} = this._row;
    const current = this._current();
    return html`<dialog aria-labelledby="name" @close=${this._onClose} @cancel=${(e) => e.stopPropagation()}>
      <header>${current && current.status !== null ? statusBadge(current.status) : nothing}
        <h2 id="name" tabindex="-1">${current ? nameOf(current) : page.state.id}</h2>
        <button class="button icon plain" aria-label="Row above" aria-keyshortcuts="K" @click=${() => this._walk(-1)}>↑</button>
        <button class="button icon plain" aria-label="Row below" aria-keyshortcuts="J" @click=${() => this._walk(1)}>↓</button>
        <button class="button icon plain" aria-label="Close" @click=${this._close}>✕</button></header>
      <div class="body" aria-busy=${loading} tabindex="0" role="region" aria-label="Details">
        ${error ? problemNote(error, () => this._row.retry()) : nothing}
        ${current ? this._details(current, data.columns) : loading || error ? nothing : this._missing()}
      </div></dialog>`;
  }

  /** The row that is shown, once it is there. */
  _current() {
    const {data} = this._row;
    const row = data?.rows[0] && Object.fromEntries(data.columns.map((c, i) => [c.name, data.rows[0][i]]));
    return row?.id === this.page.state.id ? row : null;
  }

  _missing() {
    const {page} = this;
    const [what, other] = page.state.of === 'requests' ? ['request', 'deliveries'] : ['delivery', 'requests'];
    return html`<p>There is no ${what} with this id that you may see.</p>
      <p>${page.link({of: other, id: page.state.id}, `Look among ${other}`)}</p>`;
  }

  _details(row, columns) {
    const sent = this._exchange.data?.request ?? null;
    const command = this.page.state.of === 'requests' ? curl(row, sent) : '';
    const stored = JSON.stringify(Object.fromEntries(Object.entries(row).filter(([, v]) => v !== null)), null, 2);
    return html`
      <div class="row">${this._actions(row, command)}</div>
      <dl>${this._fields(row, columns)}</dl>
      <ud-attempts .page=${this.page} .row=${row}></ud-attempts>
      <section><h3>Related</h3><p class="row small">${this._related(row)}</p></section>
      ${this.page.state.of === 'requests' ? html`<ud-related .page=${this.page} .row=${row}></ud-related>` : nothing}
      ${this._exchanged()}
      ${
        command
          ? html`<section><h3>cURL</h3><pre class="code" tabindex="0" aria-label="cURL command">${command}</pre>
              <p class="small muted">Set BASE_URL and API_KEY first. ${curlNote(sent)}</p></section>`
          : nothing
      }
      <section><div class="row"><h3 class="grow">Stored event</h3>${copyButton(stored, 'Copy', 'tiny')}</div>
        <pre class="code" tabindex="0" aria-label="Stored event">${stored}</pre></section>`;
  }

  /** Headers and bodies, or why there are none. */
  _exchanged() {
    const {page} = this;
    const {data, error} = this._exchange;
    if (error) return problemNote(error, () => this._exchange.retry());
    if (!data) return nothing;
    const none = data.expired
      ? 'Headers and bodies of that time have expired.'
      : data.collecting
        ? 'It came without headers and body.'
        : 'This workspace does not collect headers and bodies.';
    const side = (name, found) => html`<ud-exchange .page=${page} .name=${name} .side=${found} .none=${none}></ud-exchange>`;
    return html`${side('Request', data.request)}${side('Response', data.response)}`;
  }

  _actions(row, command) {
    const {page} = this;
    const key = () => page.go({f: withFilter(page.state.f, is('api_key_id', row.api_key_id))});
    return html`
      ${
        command
          ? html`<button class="button" id="curl" aria-keyshortcuts="C" @click=${(e) => copy(command, e.currentTarget)}>
              <span class="said" aria-live="polite">Copy as cURL</span> <kbd aria-hidden="true">C</kbd></button>`
          : nothing
      }
      ${copyButton(page.absolute({}), 'Copy link')} ${copyButton(row.id, 'Copy ID')}
      ${row.api_key_id ? html`<button class="button" @click=${key}>Filter by this key</button>` : nothing}`;
  }

  _fields(row, columns) {
    const known = columns.filter((c) => !c.name.endsWith('_label') && c.name !== 'attributes');
    const filled = known.filter((c) => row[c.name] !== null && !(Array.isArray(row[c.name]) && !row[c.name].length));
    const order = (c) => (FIRST.includes(c.name) ? FIRST.indexOf(c.name) : FIRST.length);
    const own = Object.entries(row.attributes ?? {}).map(([key, value]) => {
      const name = `attributes.${key}`;
      return this._field({name, title: key, type: 'String'}, {[name]: value});
    });
    return [...filled.toSorted((a, b) => order(a) - order(b)).map((c) => this._field(c, row)), ...own];
  }

  _related(row) {
    const {page} = this;
    const at = Date.parse(row.time);
    const near = (f) => ({f, q: '', id: row.id, r: explicit(at - AROUND, at + AROUND)});
    const since = (f, before) => ({f, q: '', r: explicit(at - before, page.asOf)});
    const links = [page.link(near([]), 'Everything within a minute')];
    if (row.api_key_id) links.push(page.link(near([is('api_key_id', row.api_key_id)]), 'This key within a minute'));
    if (page.state.of === 'requests') {
      links.push(page.link({...since([is('request_id', row.id)], AROUND), of: 'deliveries', per: 'deliveries', id: ''}, 'Deliveries it caused'));
    } else {
      const cause = {of: 'requests', id: row.request_id, f: [], q: '', r: explicit(at - DAY, at + AROUND)};
      if (row.request_id) links.push(page.link(cause, 'The request that caused it'));
      links.push(page.link({...since([is('message_id', row.message_id)], 7 * DAY), per: 'attempts', id: row.id}, 'All attempts'));
    }
    return links;
  }

  _field(column, row) {
    const {page} = this;
    const {name, title, type} = column;
    const value = row[name];
    const label = row[`${name}_label`];
    const text = cellText(page, column, value, label);
    const dimension = page.catalog.dimension(name);
    const plain = dimension?.of.includes(page.state.of) && type !== 'DateTime' && type !== 'Array';
    const act = (op) => () => page.go({f: withFilter(page.state.f, {...is(name, value), op})});
    if (name === 'group_ids' && page.lists('group_id'))
      page.names.fetch('group_id', value, (by, ids) => valuesQuestion(page, by, {ids}));
    return html`<dt>${title}</dt><dd><span class="grow ${MONO.includes(name) ? 'mono' : ''}">${text}
      ${
        type === 'DateTime'
          ? html`<br><span
        class="muted small">${value}, ${page.formats.ago(page.now() - Date.parse(value))}</span>`
          : nothing
      }
      ${label && label !== value ? html`<span class="muted mono">${value}</span>` : nothing}
      ${name === 'duration_ms' && (row.ttfb_ms ?? null) !== null && value ? this._firstByte(row) : nothing}</span>
      ${
        plain
          ? html`<span class="acts">
              <button class="button plain tiny" aria-label="Only ${title} ${text}" title="Only this" @click=${act('in')}>=</button>
              <button class="button plain tiny" aria-label="Without ${title} ${text}" title="Without this"
                @click=${act('not_in')}>−</button></span>`
          : nothing
      }</dd>`;
  }

  _firstByte({ttfb_ms: first, duration_ms: all}) {
    const width = `width:${Math.min(100, (100 * first) / all)}%`;
    return html`<span class="share" aria-hidden="true"><span .style=${width}></span></span>
      <span class="muted small">first byte after ${this.page.formats.number(first)} ms</span>`;
  }

  _walk(step) {
    this.dispatchEvent(new CustomEvent('walk', {detail: step}));
  }

  _close() {
    this.dispatchEvent(new CustomEvent('closed'));
  }

  _onClose() {
    if (this._switching) this._switching = false;
    else this._close();
  }

  _onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      j: () => this._walk(1),
      k: () => this._walk(-1),
      Escape: () => this._close(),
      c: () => this.renderRoot.querySelector('#curl')?.click(),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }
}
customElements.define('ud-drawer', Drawer);

const nameOf = (row) => [row.method, row.path ?? row.url ?? row.id].filter(Boolean).join(' ');

/** What the command leaves out. */
function curlNote(sent) {
  if (!sent) return 'Keys are never kept.';
  const cut = sent.cut_at === null ? '' : ' The body was cut, so the command sends a part of it.';
  return `Headers that were redacted are left out.${sent.left_out ? ' The body was not kept.' : cut}`;
}
