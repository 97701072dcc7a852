/** `<ud-related>`: other requests of the same trace, and of the same key around that time: the first few, and the way to all. */
import {LitElement, css, html, nothing} from '../vendor/lit.js';
import {Question} from './api.js';
import {is} from './catalog.js';
import {rowsOf} from './chart/figures.js';
import {relatedQuestion} from './questions.js';
import {explicit} from './ranges.js';
import {base} from './styles.js';
import {statusBadge} from './ui/cells.js';

const AROUND = 60_000;
const DAY = 86_400_000;
const MOST = 5;

class Related extends LitElement {
  static properties = {page: {attribute: false}, row: {attribute: false}};

  static styles = [
    base,
    css`
    section { margin-bottom: 16px; }
    h3 { margin-bottom: 6px; }
    div + div { margin-top: 10px; }
    ul { list-style: none; margin: 0 0 6px; padding: 0; font-size: 12px; }
    li { display: flex; align-items: center; gap: 6px; padding: 2px 0; min-width: 0; }
    li .grow { overflow-wrap: anywhere; }
  `,
  ];

  constructor() {
    super();
    this._trace = new Question(this);
    this._key = new Question(this);
  }

  willUpdate() {
    const {page, row} = this;
    const at = Date.parse(row.time);
    const few = (name, reach) =>
      row[name] ? relatedQuestion(page, {filters: [is(name, row[name])], range: explicit(at - reach, at + reach), limit: MOST + 1}) : null;
    this._trace.ask(few('trace_id', DAY));
    this._key.ask(few('api_key_id', AROUND));
  }

  render() {
    const {row} = this;
    const trace = this._list('In the same trace', this._trace, 'trace_id', row.trace_id, DAY);
    const key = this._list('The same key within a minute', this._key, 'api_key_id', row.api_key_id, AROUND);
    return trace === nothing && key === nothing ? nothing : html`<section><h3>Related requests</h3>${trace}${key}</section>`;
  }

  _list(title, question, name, value, reach) {
    const {page, row} = this;
    const found = question.data ? rowsOf(question.data) : [];
    const others = found.filter((one) => one.id !== row.id || one.time !== row.time).slice(0, MOST);
    if (!others.length) return nothing;
    const at = Date.parse(row.time);
    const all = {tab: 'log', of: 'requests', f: [is(name, value)], q: '', id: '', r: explicit(at - reach, at + reach)};
    return html`<div><p class="small muted">${title}</p>
      <ul aria-label=${title}>${others.map((one) => this._one(one))}</ul>
      <p class="small">${page.link(all, found.length > MOST ? 'All of them in the log' : 'Open these in the log')}</p></div>`;
  }

  _one(one) {
    const {page} = this;
    const at = Date.parse(one.time);
    const go = {tab: 'log', of: 'requests', id: one.id, f: [], q: '', r: explicit(at - AROUND, at + AROUND)};
    return html`<li>${one.status === null ? nothing : statusBadge(one.status)}
      <span class="grow mono">${page.link(go, [one.method, one.path ?? one.id].filter(Boolean).join(' '))}</span>
      <span class="muted mono" title=${page.formats.full(at)}>${page.formats.clock(at)}</span></li>`;
  }
}
customElements.define('ud-related', Related);
