/** `<ud-by-table>`: the key figures of the Analytics tab by path or any other dimension; endpoints that fail come first. */
import {LitElement, css, html, nothing, repeat} from '../../vendor/lit.js';
import {Question, asCsv, usageQuestion} from '../api.js';
import {inSentence, narrowedTo} from '../catalog.js';
import {columnsOf, headline, totals} from '../chart/figures.js';
import {base} from '../styles.js';
import {cardBody} from '../ui/card.js';
import '../ui/controls.js';
import {exportLink} from '../ui/toolbar.js';
import {trendOf, trendQuestion, trendTitle, trends} from './trend.js';

const FEW = 20;
const ALL = 500;
const SURE = 20;

class ByTable extends LitElement {
  static properties = {page: {attribute: false}, parts: {attribute: false}, _all: {state: true}};

  static styles = [
    base,
    css`
    tbody th { min-width: 180px; }
    th a { color: inherit; text-decoration: none; overflow-wrap: anywhere; }
    th a:hover { text-decoration: underline; }
    .unsure { color: var(--ud-text-3); }
    .trend { width: 112px; min-width: 112px; }
    .trend svg { display: block; }
    @container (width < 860px) { .trend { display: none; } }
  `,
  ];

  constructor() {
    super();
    this._rows = new Question(this, (data) => this.page.names.learn(data));
    this._trend = new Question(this);
    this._all = false;
  }

  willUpdate() {
    const {page, parts} = this;
    const {dim, of: subject} = page.state;
    const [ranked] = this._metrics;
    const metric = this._metrics.join();
    const top = this._all ? ALL : FEW;
    this._url = usageQuestion(page, {metric, by: dim, interval: 'total', top}, {subject});
    this._csv = asCsv(usageQuestion(page, {metric, by: dim, interval: 'total'}, {subject}));
    this._rows.ask(this._url);
    // behind the table, which waits for nothing
    if (this._rows.data && !this._rows.loading)
      this._trend.ask(trendQuestion(page, {ranked, count: parts.count, by: dim, top}, {subject}));
  }

  /** The first one ranks the rows: endpoints that fail come first. */
  get _metrics() {
    const {parts} = this;
    const names = headline(parts);
    return parts.count === 'requests' ? names : [parts.errors, ...names.filter((name) => name !== parts.errors)];
  }

  _title(dim) {
    return dim === 'method,route'
      ? 'By path'
      : `By ${dim
          .split(',')
          .map((n) => inSentence(this.page.catalog.dimension(n)?.title ?? n))
          .join(' and ')}`;
  }

  render() {
    const {page} = this;
    const {state, catalog} = page;
    const usual = state.of === 'requests' ? [{value: 'method,route', title: 'Path'}] : [];
    const items = [
      ...usual,
      ...catalog.splitItems(state.of, state.scope).map((d) => (d.value === 'path' ? {...d, title: 'Exact path'} : d)),
    ];
    return html`<section class="card" aria-labelledby="title"><header><h2 id="title">${this._title(state.dim)}</h2>
      <div class="end"><ud-menu label="By" align="end" search .items=${items} .value=${state.dim}
        @pick=${(e) => page.go({dim: e.detail})}></ud-menu>
      ${exportLink(this._csv, 'CSV', 'plain')}</div></header>
      ${cardBody([this._rows], 320, () => this._table())}</section>`;
  }

  _table() {
    const {page} = this;
    const {formats, catalog} = page;
    const columns = columnsOf(this._rows.data);
    const names = Object.keys(columns);
    const dimensions = names.filter((n) => `${n}_label` in columns);
    const metrics = names.slice(names.indexOf('is_other') + 1).map((n) => ({...catalog.metric(n), ...columns[n]}));
    const [ranked] = metrics;
    metrics.sort((a, b) => (b.name === b.unit) - (a.name === a.unit)); // a count is its own unit
    const rows = totals(this._rows.data, dimensions, ranked).map((r) => ({...r, count: Number(r.cells[metrics[0].name])}));
    rows.sort((a, b) => a.other - b.other || Number(b.cell) - Number(a.cell) || b.count - a.count);
    const total = rows.reduce((a, r) => a + r.count, 0);
    const sent = ranked.of === 'deliveries' && !catalog.asksWhole(page.state);
    if (sent) import('./last-error.js');
    const shares = !dimensions.some((n) => catalog.dimension(n).overlapping);
    const unsure = (m, row) => m.unit === 'ms' && row.count < SURE;
    const share = (row) => html`<td class="number">${total ? formats.percent(row.count / total) : '—'}</td>`;
    const figure = (m, row) => html`<td class="number ${unsure(m, row) ? 'unsure' : ''}"
      title=${unsure(m, row) ? `From ${row.count} only.` : nothing}>${formats.value(row.cells[m.name], m)}</td>`;
    const {data: over, loading} = this._trend;
    const counted = over && !loading && metrics[0].name in columnsOf(over) ? trends(over, dimensions, metrics[0]) : null;
    const trend = (row) => html`<td class="trend">${trendOf(page, counted?.get(row.key))}</td>`;
    const more = rows.some((r) => r.other) || this._all;
    return html`<div class="scroll"><table>
      <caption class="only-read">${this._title(dimensions.join())}. A name opens the log filtered to it.</caption>
      <thead><tr><th scope="col">${dimensions.length > 1 ? 'Path' : catalog.dimension(dimensions[0]).title}</th>
        ${metrics.map((m, i) => [
          html`<th scope="col" class="number" title=${m.help}>${short(m.title)}</th>`,
          i || !shares ? nothing : html`<th scope="col" class="number">Share</th>`,
          i ? nothing : html`<th scope="col" class="trend" title=${counted ? trendTitle(over, m) : nothing}>Trend</th>`,
        ])}${sent ? html`<th scope="col">Most recent error</th>` : nothing}</tr></thead>
      <tbody>${repeat(
        rows,
        (r) => r.key,
        (row) => html`<tr><th scope="row" class="mono">${row.other ? row.label : this._link(dimensions, row)}</th>
          ${metrics.map((m, i) => [figure(m, row), i || !shares ? nothing : share(row), i ? nothing : trend(row)])}${
            sent ? html`<td>${row.other || !Number(row.cell) ? '—' : this._lastError(dimensions, row)}</td>` : nothing
          }</tr>`,
      )}</tbody></table></div>
      ${
        more
          ? html`<button class="button plain tiny"
        @click=${this._toggle}>${this._all ? `Show ${FEW}` : 'Show all'}</button>`
          : nothing
      }`;
  }

  _toggle() {
    this._all = !this._all;
  }

  _lastError(dimensions, row) {
    return html`<ud-last-error .page=${this.page} .filters=${this._narrowed(dimensions, row)}></ud-last-error>`;
  }

  _narrowed(dimensions, row) {
    return narrowedTo(
      this.page.state.f,
      dimensions.map((name, i) => [name, row.values[i] === null ? '' : String(row.values[i])]),
    );
  }

  _link(dimensions, row) {
    const {page} = this;
    const f = this._narrowed(dimensions, row);
    return page.link({tab: 'log', per: this.parts.per, r: page.state.r, f, q: '', id: ''}, row.label);
  }
}
customElements.define('ud-by-table', ByTable);

/** Column heads: `Average latency` → `Average`. */
const short = (title) =>
  title
    .replace(/^Average .*/, 'Average')
    .replace(/^Attempts per delivery$/, 'Attempts each')
    .replace(/^p95 .*/, 'p95')
    .replace(/^.*uccess rate$/, 'Success')
    .replace(/^Delivery attempts$/, 'Attempts')
    .replace(/^Failed .*$/, 'Failed');
