/** `<ud-usage>`: one metric over time by one breakdown, its legend `<ud-legend>` as a table; below it, requests and concurrency. */
import {LitElement, css, html, nothing, repeat} from '../../vendor/lit.js';
import {Question, anythingQuestion, asCsv, usageQuestion} from '../api.js';
import {activeIn, inSentence, narrowedTo, withFilter} from '../catalog.js';
import {columnsOf, overTime, rateFloor, single, totals} from '../chart/figures.js';
import '../chart/plot.js';
import {swatch} from '../chart/shapes.js';
import {finest, fitting, interval, offered, span} from '../ranges.js';
import {base} from '../styles.js';
import {cardBody, nothingMatches} from '../ui/card.js';
import '../ui/controls.js';
import {logSwitch, toolbar} from '../ui/toolbar.js';
import {whyButton, whyPanel} from '../ui/why-button.js';

const BARS = 100;
const HEIGHT = 272;
const FRESH = 15_000;

class Usage extends LitElement {
  static properties = {page: {attribute: false}, _highlight: {state: true}, _line: {state: true}};

  static styles = [
    base,
    css`
    .controls { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin-left: auto; min-width: 0; }
    ud-chart { margin-bottom: 8px; }
    ud-why { margin-top: 12px; }
    ud-capacity { display: block; min-height: 300px; }
    .fresh {
      border: 0; background: none; padding: 0 4px; color: inherit; font: inherit; cursor: pointer;
      text-decoration: underline dotted; min-height: 24px;
    }
    .wide { display: contents; }
    .narrow { display: none; }
    @container (width < 560px) { .wide { display: none; } .narrow { display: contents; } .controls { margin-left: 0; } }
  `,
  ];

  constructor() {
    super();
    const learn = (data) => this.page.names.learn(data);
    this._chart = new Question(this, learn);
    this._totals = new Question(this, learn);
    this._total = new Question(this);
    this._anything = new Question(this);
  }

  connectedCallback() {
    super.connectedCallback();
    this._clock = setInterval(() => this.requestUpdate(), FRESH);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this._clock);
  }

  willUpdate(changed) {
    if (!changed.has('page')) return;
    const {page} = this;
    const {state, catalog, asOf} = page;
    this._metric = catalog.metric(state.metric);
    this._by = state.by === 'none' ? null : catalog.dimension(state.by);
    const {title} = this._metric;
    this._wanted = {title: this._by ? `${title} by ${inSentence(this._by.title)}` : title};
    this._length = span(state.r, asOf);
    const cumulative = state.g === 'cumulative' && this._metric.additive;
    const wanted = !state.g || state.g === 'cumulative' ? finest(this._length, BARS).name : state.g;
    this._interval = fitting(wanted, this._length);
    this._cut = {...this._interval, cumulative, coarser: this._interval.name !== wanted && interval(wanted)};
    const split = this._by ? {by: state.by, top: state.top} : {};
    const asked = {metric: state.metric, ...split, interval: this._interval.name, cumulative};
    this._chart.ask(usageQuestion(page, asked));
    this._totals.ask(this._by ? usageQuestion(page, {metric: state.metric, ...split, interval: 'total'}) : null);
    const both = state.metric === 'requests' ? 'requests' : `${state.metric},requests`;
    this._total.ask(usageQuestion(page, {metric: both, interval: 'total'}));
    this._csv = asCsv(usageQuestion(page, {...asked, top: ''}));
  }

  /** What the last complete answers say, kept until the next ones are complete: title and numbers never disagree. */
  _read() {
    const {_chart: chart, _totals: sums, _total: total} = this;
    const ready = chart.data && total.data && (!this._by || sums.data);
    if (ready && !chart.loading && !sums.loading && !total.loading) {
      const names = this._by ? [this._by.name] : [];
      const metric = {...this._metric, ...columnsOf(chart.data)[this._metric.name]};
      if (columnsOf(chart.data)[this._metric.name] && names.every((n) => columnsOf(chart.data)[n])) {
        const rows = this._by ? totals(sums.data, names, this._metric) : [];
        const data = overTime(chart.data, names, this._metric, {order: rows.map((r) => r.key)});
        const colours = new Map(rows.map((r) => [r.key, r]));
        data.series = data.series.map((s) => ({
          ...s,
          ...(colours.get(s.key) && {color: colours.get(s.key).color, hatch: colours.get(s.key).hatch}),
        }));
        this._shown = {
          data,
          rows,
          metric,
          by: this._by,
          cut: this._cut,
          sum: single(total.data),
          title: this._wanted.title,
          window: chart.data.window,
          asOf: chart.data.as_of,
        };
      }
    }
    return this._shown;
  }

  render() {
    const {page} = this;
    const shown = this._read();
    const empty = shown && !Number(shown.sum.requests) && !this._total.loading;
    if (empty && !page.state.f.length) this._anything.ask(anythingQuestion(page));
    if (empty && !this._anything.loading && this._anything.data?.rows.length === 0) {
      import('./welcome.js');
      return html`<ud-welcome .page=${page}></ud-welcome>`;
    }
    const window = this._chart.data?.window ?? null;
    const main = {
      data: shown,
      loading: this._chart.loading || this._total.loading || this._totals.loading,
      slow: this._chart.slow,
      error: null,
    };
    return html`
      ${toolbar(page, {subject: 'requests', window, csv: this._csv, start: this._menus(), kept: this._chart.data?.available_from})}
      <section class="card" aria-labelledby="title">
        <header>
          <div><h2 id="title">${(shown ?? this._wanted).title}</h2><p class="muted small">${shown ? this._subtitle(shown) : html`&nbsp;`}</p></div>
          <div class="controls">${this._controls()}</div>
        </header>
        ${cardBody([main, this._chart, this._totals, this._total], 560, () => (empty ? nothingMatches(page, 'requests') : this._content(shown)))}
      </section>
      ${whyPanel(page)}
      ${this._capacity()}`;
  }

  /** Below what one came for, so nothing waits for it. */
  _capacity() {
    import('./capacity.js');
    return html`<ud-capacity .page=${this.page}></ud-capacity>`;
  }

  // --- the parts

  _menus() {
    const {page} = this;
    const {catalog, state} = page;
    const metrics = catalog.metricItems('requests', page.me.workspace);
    const dimensions = catalog.splitItems('requests', state.scope);
    return html`
      <ud-menu label="Metric" search .items=${metrics} .value=${state.metric} @pick=${(e) => page.go({metric: e.detail})}></ud-menu>
      <ud-menu label="Break down by" search .items=${[{value: 'none', title: 'None'}, ...dimensions]} .free=${(text) => catalog.ownItem(text)} .value=${state.by}
        @pick=${(e) => page.go({by: e.detail})}></ud-menu>`;
  }

  _subtitle({sum, metric, window, asOf, cut}) {
    const {page} = this;
    import('./limit.js');
    const {formats} = page;
    const age = page.now() - Date.parse(asOf);
    return html`<span data-total=${sum[metric.name] ?? ''}>${formats.quantity(sum[metric.name], metric)}</span>
      · ${formats.period(window, page.asOf)} · ${window.time_zone}
      · <button class="fresh" title="Everything received until ${formats.full(Date.parse(asOf))} is counted. Ask again."
        @click=${() => page.refresh()}
        >updated ${formats.ago(age)}</button>
      ${
        cut.coarser
          ? html` · <span
        class="warn">${cut.coarser.noun} values would be too many to draw, so these are ${cut.noun}</span>`
          : nothing
      }<ud-limit .page=${page} .start=${cut.cumulative && window.start} @line=${(e) => (this._line = e.detail)}></ud-limit>`;
  }

  _controls() {
    const {page} = this;
    const {state} = page;
    const fine = offered(this._length).map(({name, title}) => ({value: name, title}));
    const items = [...fine, ...(this._metric.additive ? [{value: 'cumulative', title: 'Cumulative'}] : [])];
    const value = this._cut.cumulative ? 'cumulative' : this._interval.name;
    const pick = (e) => page.go({g: e.detail === finest(this._length, BARS).name ? '' : e.detail});
    return html`
      <span class="wide"><ud-segments label="Granularity" .items=${items} .value=${value} @pick=${pick}></ud-segments></span>
      <span class="narrow"><ud-menu label="Granularity" quiet .items=${items} .value=${value} @pick=${pick}></ud-menu></span>
      ${whyButton(this, this._metric)}
      ${logSwitch(page)}
      <button class="button" aria-pressed=${state.view === 'table'} aria-keyshortcuts="V"
        @click=${() => this.toggleTable()}>Table</button>`;
  }

  toggleTable() {
    this.page.go({view: this.page.state.view === 'table' ? 'chart' : 'table'});
  }

  _content({data, rows, metric, by, cut, sum, title}) {
    const {page} = this;
    const {state} = page;
    const stacks = metric.additive && !by?.overlapping && (state.scale === 'linear' || data.series.length === 1);
    const kind = !stacks ? 'line' : cut.cumulative ? 'area' : 'bars';
    const opens = (r) => ({tab: 'log', of: 'requests', r, q: '', id: '', ...activeIn(metric)});
    if (state.view === 'table') import('./bucket-table.js');
    if (by) import('./more.js');
    return html`
      ${
        state.view === 'table'
          ? html`<ud-bucket-table .page=${page} .data=${data} .metric=${metric} .by=${by} .name=${title}
            ?cumulative=${cut.cumulative}
            .overall=${sum[metric.name]}></ud-bucket-table>`
          : html`<ud-chart .page=${page} .data=${data} .metric=${metric} .kind=${kind} ?log=${state.scale === 'log'} .limit=${stacks && this._line}
            .name=${title} .hide=${state.hide} .height=${HEIGHT} .highlight=${this._highlight} .opens=${opens}
            .floor=${metric.unit === 'ratio' ? rateFloor(data) : 0}></ud-chart>`
      }
      ${
        by
          ? html`<ud-legend .page=${page} .rows=${rows} .data=${data} .metric=${metric} .by=${by} .cut=${cut} .total=${sum[metric.name]}
          @highlight=${(e) => (this._highlight = e.detail)}></ud-legend>
        <ud-more .page=${page} .rows=${rows}></ud-more>`
          : nothing
      }`;
  }
}
customElements.define('ud-usage', Usage);

// --- the legend

class Legend extends LitElement {
  static properties = {
    page: {attribute: false},
    rows: {attribute: false},
    data: {attribute: false},
    metric: {attribute: false},
    by: {attribute: false},
    cut: {attribute: false},
    total: {attribute: false},
  };

  static styles = [
    base,
    css`
    .pick {
      display: inline-flex; align-items: center; gap: 8px; min-height: 24px; max-width: 100%; padding: 0; border: 0;
      background: none; font: inherit; text-align: left; cursor: pointer;
    }
    .pick span { overflow-wrap: anywhere; }
    .pick[aria-pressed="false"] { color: var(--ud-text-3); text-decoration: line-through; }
    .pick[aria-pressed="false"] .swatch { opacity: .35; }
    td:last-child, th:last-child { width: 32px; padding: 0; text-align: right; }
    th.name { width: 40%; min-width: 112px; }
    @container (width < 560px) { th, td { padding-inline: 6px; } .peak { display: none; } }
  `,
  ];

  render() {
    const {page, rows, metric, by, total} = this;
    const {formats} = page;
    const adds = metric.additive && !by.overlapping;
    const peak = !this.cut.cumulative;
    return html`<div class="scroll"><table>
      <caption class="only-read">${metric.title} by ${by.title}. Press a name to see it alone, with Ctrl or Shift to switch it on or off.</caption>
      <thead><tr><th class="name" scope="col">${by.title}</th><th scope="col" class="number">Total</th>
        ${metric.additive ? html`<th scope="col" class="number">Share</th>` : nothing}
        ${peak ? html`<th scope="col" class="number peak">Peak ${noun(this.cut.name)}</th>` : nothing}<th><span
          class="only-read">More</span></th></tr></thead>
      <tbody @pointerleave=${() => this._highlight('')}>${repeat(
        rows,
        (r) => r.key,
        (row) => html`<tr @pointerenter=${() => this._highlight(row.key)}>
        <th scope="row"><button class="pick" aria-pressed=${!page.state.hide.includes(row.key)} @click=${(e) => this._pick(row, e)}
          @focus=${() => this._highlight(row.key)} @blur=${() => this._highlight('')}>${swatch(row)}<span>${row.label}</span></button></th>
        <td class="number">${formats.value(row.cell, metric)}</td>
        ${
          metric.additive
            ? html`<td
          class="number">${Number(total) ? formats.percent(Number(row.cell) / Number(total)) : '—'}</td>`
            : nothing
        }
        ${peak ? html`<td class="number muted peak">${formats.value(this._peak(row.key), metric)}</td>` : nothing}
        <td>${row.other ? nothing : this._menu(row)}</td></tr>`,
      )}</tbody>
      <tfoot><tr><th scope="row">Total${
        adds
          ? nothing
          : html` <span class="muted small">${
              by.overlapping ? 'each counted once, so the rows above add up to more' : 'over all rows, not a sum'
            }</span>`
      }</th>
        <td class="number" data-total=${total ?? ''}>${formats.value(total, metric)}</td>
        ${metric.additive ? html`<td class="number">${Number(total) ? formats.percent(1) : '—'}</td>` : nothing}
        ${peak ? html`<td class="peak"></td>` : nothing}<td></td></tr></tfoot></table></div>`;
  }

  _peak(key) {
    const series = this.data.series.find((s) => s.key === key);
    if (!series) return null;
    const best = series.points.reduce((found, p, i) => (p !== null && (found < 0 || p > series.points[found]) ? i : found), -1);
    return best < 0 ? null : series.cells[best];
  }

  _highlight(key) {
    this.dispatchEvent(new CustomEvent('highlight', {detail: key}));
  }

  _pick(row, event) {
    const {hide} = this.page.state;
    const keys = this.rows.map((r) => r.key);
    const shown = keys.filter((k) => !hide.includes(k));
    if (event.ctrlKey || event.metaKey || event.shiftKey) {
      const next = hide.includes(row.key) ? hide.filter((k) => k !== row.key) : [...hide, row.key];
      this.page.go({hide: next.length >= keys.length ? [] : next});
    } else this.page.go({hide: shown.length === 1 && shown[0] === row.key ? [] : keys.filter((k) => k !== row.key)});
  }

  _menu(row) {
    const {page, by} = this;
    const value = row.values[0] === null ? '' : String(row.values[0]);
    const {f} = page.state;
    const items = [
      {value: 'only', title: 'Filter to this'},
      {value: 'not', title: 'Exclude this'},
      {value: 'log', title: 'Open in the log'},
    ];
    const act = {
      only: () => page.go({f: narrowedTo(f, [[by.name, value]])}),
      not: () => page.go({f: withFilter(f, {dimension: by.name, op: 'not_in', values: [value]})}),
      log: () => page.go({tab: 'log', of: 'requests', r: page.state.r, f: narrowedTo(f, [[by.name, value]]), q: '', id: '', ...activeIn(this.metric)}),
    };
    return html`<ud-menu kind="dots" align="end" label="More about ${row.label}" .items=${items}
      @pick=${(e) => act[e.detail]()}></ud-menu>`;
  }
}
customElements.define('ud-legend', Legend);

const noun = (interval) => (['hour', 'day', 'week', 'month', 'year'].includes(interval) ? interval : 'bucket');
