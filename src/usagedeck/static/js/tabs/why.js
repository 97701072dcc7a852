/** `<ud-why>`: why a metric changed between two periods: which dimension tells it, and what its values had to do with it. The rows
 * add up to the whole change; a row narrows the view to its value. */
import {LitElement, css, html, nothing, repeat} from '../../vendor/lit.js';
import {Question, asCsv} from '../api.js';
import {whyQuestion} from '../questions.js';
import {inSentence, narrowedTo} from '../catalog.js';
import {columnsOf} from '../chart/figures.js';
import {isRange} from '../ranges.js';
import {base} from '../styles.js';
import {cardBody} from '../ui/card.js';
import '../ui/controls.js';
import {exportLink} from '../ui/toolbar.js';

const BEST = 5;

class Why extends LitElement {
  static properties = {page: {attribute: false}};

  static styles = [
    base,
    css`
    h2:focus { outline: none; }
    .best { margin-bottom: 12px; }
    .best .soft { max-width: 220px; overflow: hidden; text-overflow: ellipsis; }
    tbody th a { color: inherit; text-decoration: none; overflow-wrap: anywhere; }
    tbody th a:hover { text-decoration: underline; }
    th.name { min-width: 140px; }
    .share { width: 30%; min-width: 120px; }
    .track { display: grid; gap: 1px; height: 12px; }
    .track i { height: 12px; border-radius: 2px; background: var(--ud-c1); }
    .both { grid-template-columns: 1fr 1fr; }
    .both .less { justify-self: end; }
    .both .more { grid-column: 2; }
    .track i.good { background: var(--ud-ok); }
    .track i.bad { background: var(--ud-err); }
    .track i.other { background: var(--ud-c0); }
    .with { display: grid; grid-template-columns: 1fr 56px; align-items: center; gap: 8px; }
    .with > :last-child { text-align: right; }
    @container (width < 560px) { .before { display: none; } .share { min-width: 88px; } .track { display: none; } .with { display: block; } }
    @media (forced-colors: active) { .track i { forced-color-adjust: none; } }
  `,
  ];

  constructor() {
    super();
    this._best = new Question(this);
    this._parts = new Question(this, (data) => this.page.names.learn(data));
  }

  willUpdate() {
    const {page} = this;
    const {state, catalog} = page;
    this._metric = catalog.metric(state.why);
    if (!this._metric.attributable) {
      this._best.ask(null);
      this._parts.ask(null);
      return;
    }
    this._best.ask(whyQuestion(page, 'changes/dimensions', {}));
    const known = this._best.data && !this._best.loading ? this._ranked : null;
    this._by = state.wby || known?.[0]?.dimension || (known && this._dimensions[0].name) || '';
    this._url = this._by ? whyQuestion(page, 'changes', {by: this._by}) : null;
    if (this._url) this._parts.ask(this._url);
  }

  /** Dimensions that tell something, the best ones first. */
  get _ranked() {
    const {columns, rows} = this._best.data;
    return rows.map((row) => Object.fromEntries(columns.map((c, i) => [c.name, row[i]])));
  }

  get _dimensions() {
    const {page} = this;
    return page.catalog
      .dimensionsOf(this._metric.of)
      .filter((d) => d.split && !d.overlapping && d.name !== 'workspace_id' && page.lists(d.name));
  }

  /** Go there: somebody asked for it. */
  async enter() {
    await this.updateComplete;
    this.renderRoot.querySelector('h2').focus();
  }

  render() {
    const {page, _metric: metric} = this;
    return html`<section class="card" aria-labelledby="why">
      <header><h2 id="why" tabindex="-1">Why did ${inSentence(metric.title)} change?</h2>
        <div class="end">${metric.attributable ? this._menus() : nothing}
        <button class="button plain icon" aria-label="Close" @click=${this._close}>✕</button></div></header>
      ${metric.attributable ? cardBody([this._parts, this._best], 320, () => this._told()) : this._refused()}</section>`;
  }

  _close() {
    const {why} = this.page.state;
    const root = this.getRootNode();
    this.page.go({why: '', wby: '', vs: ''});
    root.querySelector(`[data-why="${why}"]`)?.focus();
  }

  /** Percentiles have no parts, nor have deliveries, which are made of several rows. */
  _refused() {
    const {page, _metric: metric} = this;
    const items = page.catalog
      .metricsOf(metric.of)
      .filter((m) => m.attributable)
      .map((m) => ({value: m.name, title: m.title}));
    return html`<p>${metric.title} is no sum and no average over rows: what it is for all of them is not made of what it is for some, so
      no value has a part in its change.</p><br>
      <ud-menu label="Ask about" search .items=${items} .value=${''} text="another metric" @pick=${(e) => page.go({why: e.detail})}></ud-menu>`;
  }

  _menus() {
    const {page} = this;
    const items = this._dimensions.map((d) => ({value: d.name, title: d.title}));
    const free = (text) => {
      const d = page.catalog.dimension(`attributes.${text.replace(/^attributes\./, '')}`);
      return d && {value: d.name, title: d.title, hint: 'attribute'};
    };
    const periods = [{value: '', title: 'Period before'}, {value: 'last-month', title: 'Last month'}];
    const own = (text) => (isRange(text) ? {value: text, title: text} : null);
    return html`<ud-menu label="Told by" align="end" search .items=${items} .free=${free} .value=${this._by}
        @pick=${(e) => page.go({wby: e.detail})}></ud-menu>
      <ud-menu label="Against" align="end" search .items=${periods} .free=${own} .value=${page.state.vs}
        .text=${page.state.vs || 'Period before'} @pick=${(e) => page.go({vs: e.detail})}></ud-menu>
      ${this._url ? exportLink(asCsv(this._url), 'CSV', 'plain') : nothing}`;
  }

  // --- the answer

  _told() {
    const {page, _metric: metric} = this;
    const {formats} = page;
    const {before, after, whole, available_from: kept, rows} = this._parts.data;
    const periods = `${formats.period(after, page.asOf)} against ${formats.period(before)}`;
    if (kept)
      return html`<p>${periods}: not to be compared. Only what happened from ${formats.dateOfUtc(Date.parse(kept))} (UTC) on is kept, so
        a part of it is missing. Choose periods that begin later.</p>`;
    if (!rows.length) return html`<p class="muted">${periods}: there was nothing in either of them.</p>`;
    return html`<p class="muted small">${plain(page, metric, whole.before)} → ${plain(page, metric, whole.after)}${
      whole.change === null ? nothing : html`, <b data-change=${whole.change}>${signed(page, metric, whole.change)}</b>`
    } · ${periods}</p><br>${this._bestOnes()}${this._table()}`;
  }

  _bestOnes() {
    const {page, _metric: metric} = this;
    const found = this._best.data ? this._ranked.slice(0, BEST) : [];
    if (!found.length) return nothing;
    return html`<div class="row best" role="group" aria-label="Told best by">${found.map(
      ({dimension, title, label, change}) => html`<button class="button tiny" aria-pressed=${dimension === this._by}
        @click=${() => page.go({wby: dimension})}>${title} <span class="soft">${label}</span>${
          change === null ? nothing : html`<span class="soft">${signed(page, metric, change)}</span>`
        }</button>`,
    )}</div>`;
  }

  _table() {
    const {page, _metric: metric} = this;
    const {data} = this._parts;
    const {formats} = page;
    const columns = columnsOf(data);
    const rows = data.rows.map((row) => Object.fromEntries(data.columns.map((c, i) => [c.name, row[i]])));
    const ratio = 'effect' in columns;
    const [before, after, did] = ratio ? ['value_before', 'value_after', 'effect'] : ['before', 'after', 'change'];
    const both = rows.some((r) => Number(r[did]) < 0) && rows.some((r) => Number(r[did]) > 0);
    const most = Math.max(...rows.map((r) => Math.abs(r.share ?? 0)), 0.000001);
    const title = columns[data.by].title;
    const cell = (value) => html`<td class="number before">${plain(page, metric, value)}</td>`;
    const {whole} = data;
    return html`<div class="scroll"><table>
      <caption class="only-read">What each ${inSentence(title)} did, the one that did most first. A name narrows the view to it.</caption>
      <thead><tr><th scope="col" class="name">${title}</th><th scope="col" class="number before">Before</th>
        <th scope="col" class="number before">After</th>
        <th scope="col" class="number" title=${ratio ? EFFECT : nothing}>${ratio ? 'Effect' : 'Change'}</th>
        <th scope="col" class="share">Share of the change</th></tr></thead>
      <tbody>${repeat(
        rows,
        (r) => (r.is_other ? 'other' : `=${r[data.by]}`),
        (r) => html`<tr><th scope="row">${r.is_other ? r[`${data.by}_label`] : this._link(r)}</th>
        ${cell(r[before])}${cell(r[after])}
        <td class="number" data-part=${r[did] ?? ''}>${r[did] === null ? '—' : signed(page, metric, r[did])}</td>
        <td class="share">${r.share === null ? '—' : bar(page, metric, r, Number(r[did]), most, both)}</td></tr>`,
      )}</tbody>
      <tfoot><tr><th scope="row">All</th>${cell(whole.before)}${cell(whole.after)}
        <td class="number">${whole.change === null ? '—' : signed(page, metric, whole.change)}</td>
        <td class="share">${Number(whole.change) ? html`<div class="with"><span></span><span>${formats.percent(1)}</span></div>` : nothing}</td></tr></tfoot></table></div>
      ${ratio ? html`<p class="muted small">${EFFECT}</p>` : nothing}`;
  }

  _link(row) {
    const {page} = this;
    const {by} = this._parts.data;
    const value = row[by] === null ? '' : String(row[by]);
    return page.link({f: narrowedTo(page.state.f, [[by, value]]), wby: ''}, row[`${by}_label`]);
  }
}
customElements.define('ud-why', Why);

const EFFECT =
  'The effect of a value is what it moved the whole by differing from the whole as it was before, weighed by its share of the rows. Effects add up to the change.';

/** A figure without a sign of its own; rates come as text, too, since they add up. */
const plain = ({formats}, metric, cell) =>
  formats.value(metric.unit === 'ratio' && cell !== null ? Number(cell) : cell, metric);

/** An amount with its sign; rates in points. */
function signed(page, metric, amount) {
  const number = Number(amount);
  const sign = number > 0 ? '+' : number < 0 ? '−' : '';
  const size = String(amount).replace(/^-/, '');
  const {formats} = page;
  if (metric.unit !== 'ratio') return sign + formats.value(size, metric);
  const points = Math.abs(number) * 100;
  return `${sign}${formats.number(points, points < 0.1 ? 4 : 2)} pt`;
}

function bar(page, metric, row, did, most, both) {
  const kind = row.is_other ? 'other' : !metric.good ? '' : did > 0 === (metric.good === 'up') ? 'good' : 'bad';
  return html`<div class="with"><span class="track ${both ? 'both' : ''}" aria-hidden="true"><i class="${did < 0 ? 'less' : 'more'} ${kind}"
    .style=${`width:${(Math.abs(row.share) / most) * 100}%`}></i></span><span>${page.formats.percent(row.share)}</span></div>`;
}
