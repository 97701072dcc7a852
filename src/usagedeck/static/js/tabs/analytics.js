/** `<ud-analytics>`: how requests, or deliveries of webhooks, fare: key figures, counts by status, latency and success, and
 * `<ud-by-table>`: the same figures by path or any other dimension. */
import {LitElement, css, html, nothing, repeat} from '../../vendor/lit.js';
import {Question, asCsv, usageQuestion} from '../api.js';
import {inSentence, narrowedTo} from '../catalog.js';
import {byStatus, columnsOf, metricsOverTime, overTime, rateFloor, single, totals} from '../chart/figures.js';
import '../chart/plot.js';
import {key} from '../chart/shapes.js';
import {explicit, finest, fitting, offered, span} from '../ranges.js';
import {base} from '../styles.js';
import {cardBody, nothingMatches} from '../ui/card.js';
import '../ui/controls.js';
import {exportLink, logSwitch, toolbar} from '../ui/toolbar.js';
import {whyButton, whyPanel} from '../ui/why-button.js';

const BARS = 200;
/** The metrics of each kind by their part on the tab. */
const PARTS = {
  requests: {
    count: 'requests',
    rate: 'success_rate',
    average: 'latency_avg',
    p95: 'latency_p95',
    errors: 'errors',
    lines: ['latency_avg', 'latency_p50', 'latency_p95', 'latency_p99'],
    title: 'API requests',
    noun: 'requests',
  },
  deliveries: {
    count: 'attempts',
    rate: 'attempt_success_rate',
    average: 'attempt_latency_avg',
    p95: 'attempt_latency_p95',
    errors: 'attempt_errors',
    more: 'retries',
    lines: ['attempt_latency_avg', 'attempt_latency_p50', 'attempt_latency_p95', 'attempt_latency_p99'],
    title: 'Delivery attempts',
    noun: 'delivery attempts',
  },
};
const LINES = ['avg', 'p50', 'p95', 'p99'];
const PAINT = ['c2', 'c1', 'c3', 'c4'].map((color) => ({color, hatch: false}));

class Analytics extends LitElement {
  static properties = {page: {attribute: false}};

  static styles = [
    base,
    css`
    .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px; margin-bottom: 12px; }
    .tile { padding: 12px 16px; min-height: 92px; }
    .tile .value {
      font-size: 26px; line-height: 34px; font-weight: 650; letter-spacing: -.02em;
      font-variant-numeric: tabular-nums;
    }
    .tile .label { color: var(--ud-text-3); font: 400 12px/16px var(--ud-font); }
    .tile p { font-size: 12px; line-height: 16px; }
    .key { margin-bottom: 8px; }
    ud-by-table, ud-errors { margin-top: 12px; }
    ud-why { margin-bottom: 12px; }
    @container (width < 480px) { .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
  `,
  ];

  constructor() {
    super();
    this._sum = new Question(this);
    this._before = new Question(this);
    this._status = new Question(this);
    this._lines = new Question(this);
    this._worst = new Question(this);
  }

  willUpdate(changed) {
    const {page} = this;
    const {state, catalog, asOf} = page;
    const {of: subject} = state;
    const parts = PARTS[subject];
    this._parts = parts;
    this._length = span(state.r, asOf);
    const wanted = state.g && state.g !== 'cumulative' ? state.g : finest(this._length, BARS).name;
    this._interval = fitting(wanted, this._length).name;
    const interval = this._interval;
    const headline = [parts.count, parts.rate, parts.average, parts.p95, parts.errors, parts.more].filter(Boolean).join();
    this._metric = state.chart ? catalog.metric(state.chart) : null;
    const chart = this._metric ? {metric: state.chart, interval} : {metric: parts.count, by: 'status_class', interval};
    this._statusUrl = usageQuestion(page, chart, {subject});
    this._linesUrl = usageQuestion(page, {metric: [...parts.lines, parts.rate].join(), interval}, {subject});
    if (changed.has('page')) {
      this._sum.ask(usageQuestion(page, {metric: headline, interval: 'total'}, {subject}));
      this._status.ask(this._statusUrl);
      this._lines.ask(this._linesUrl);
      this._worst.ask(usageQuestion(page, {metric: parts.errors, by: 'status', interval: 'total', top: 3}, {subject}));
    }
    const {window} = this._sum.data ?? {};
    if (window && !this._sum.loading) {
      const [start, end] = [Date.parse(window.start), Date.parse(window.end)];
      const [from, passed] = [Math.max(0, 2 * start - end), Math.min(end, asOf) - start];
      const before = {start: new Date(from).toISOString(), end: new Date(from + passed).toISOString()};
      this._before.ask(usageQuestion(page, {metric: headline, interval: 'total'}, {subject, ...before}));
    }
  }

  render() {
    const {page} = this;
    const {state} = page;
    const parts = this._parts;
    const switcher = html`<ud-segments label="About" .items=${[
      {value: 'requests', title: 'API requests'},
      {value: 'deliveries', title: 'Webhooks'},
    ]}
      .value=${state.of} @pick=${(e) => page.go({of: e.detail})}></ud-segments>`;
    const sum = single(this._sum.data);
    const known = parts.count in sum;
    const empty = known && !sum[parts.count] && !this._sum.loading;
    return html`
      ${toolbar(page, {subject: state.of, window: this._sum.data?.window ?? null, csv: asCsv(this._statusUrl), start: switcher, kept: this._sum.data?.available_from})}
      ${tiles(this, parts, known ? this._sum.data : null)}
      ${whyPanel(page)}
      ${
        empty
          ? html`<section class="card">${nothingMatches(page, parts.noun)}</section>`
          : html`
        ${this._statusCard()}
        <div class="cards">${this._latencyCard()}${this._successCard()}</div>
        ${this._errors()}
        <ud-by-table .page=${page} .parts=${parts}></ud-by-table>`
      }`;
  }

  _errors() {
    import('./errors.js');
    return html`<ud-errors .page=${this.page}></ud-errors>`;
  }

  get _opens() {
    return (start, end) => ({tab: 'log', r: explicit(start, Math.min(end, this.page.asOf)), q: '', id: ''});
  }

  _statusCard() {
    const {page, _metric: metric, _parts: parts} = this;
    const {state, catalog} = page;
    const usual = `${parts.title} by status`;
    const items = [
      {value: '', title: usual},
      ...catalog
        .metricsOf(state.of)
        .map((m) => ({value: m.name, title: m.title, hint: m.unit === 'currency' ? page.me.workspace.currency : m.unit})),
    ];
    const fine = offered(this._length).map(({name, title}) => ({value: name, title}));
    return html`<section class="card" aria-labelledby="status">
      <header><h2 id="status">${metric ? `${metric.title} over time` : usual}</h2>
        <div class="end">
          <ud-menu label="Chart" search align="end" .items=${items} .value=${state.chart}
            @pick=${(e) => page.go({chart: e.detail})}></ud-menu>
          <ud-menu label="Granularity" quiet align="end" .items=${fine} .value=${this._interval}
            @pick=${(e) => page.go({g: e.detail === finest(this._length, BARS).name ? '' : e.detail})}></ud-menu></div></header>
      ${cardBody([this._status], 260, () => this._statusChart())}</section>`;
  }

  _statusChart() {
    const {page, _parts: parts} = this;
    const columns = columnsOf(this._status.data);
    const metric = page.catalog.metric(Object.keys(columns).at(-1));
    const split = 'status_class' in columns;
    const data = overTime(this._status.data, split ? ['status_class'] : [], metric);
    return html`${split ? key(byStatus(data).series) : nothing}<ud-chart .page=${page} .data=${split ? byStatus(data) : data}
      .metric=${{...metric, ...columns[metric.name]}} .height=${260}
      .kind=${metric.additive ? 'bars' : 'line'} .floor=${metric.unit === 'ratio' ? rateFloor(data) : 0}
      .name=${split ? `${parts.title} by status` : metric.title}
      .opens=${this._opens}></ud-chart>`;
  }

  _latencyCard() {
    const {page} = this;
    return html`<section class="card" aria-labelledby="latency">
      <header><h2 id="latency">Latency</h2><div
        class="end">${logSwitch(page)}${exportLink(asCsv(this._linesUrl), 'CSV', 'plain')}</div></header>
      ${cardBody([this._lines], 220, () => {
        const columns = columnsOf(this._lines.data);
        const {lines} = Object.values(PARTS).find((p) => p.rate in columns);
        const metrics = lines.map((name, i) => ({...page.catalog.metric(name), short: LINES[i]}));
        const data = metricsOverTime(this._lines.data, metrics, PAINT);
        return html`${key(data.series)}<ud-chart .page=${page} .data=${data} .metric=${metrics[0]} kind="line" ends
          ?log=${page.state.scale === 'log'} .height=${220} name="Latency" .opens=${this._opens}></ud-chart>`;
      })}</section>`;
  }

  _successCard() {
    const {page} = this;
    return html`<section class="card" aria-labelledby="success">
      <header><h2 id="success">Success rate</h2></header>
      ${cardBody([this._lines], 220, () => {
        const columns = columnsOf(this._lines.data);
        const metric = page.catalog.metric(Object.values(PARTS).find((p) => p.rate in columns).rate);
        const data = metricsOverTime(this._lines.data, [metric], [{color: 'c1', hatch: false}]);
        return html`<ud-chart .page=${page} .data=${data} .metric=${metric} kind="line" .height=${220} .floor=${rateFloor(data)}
          name="Success rate"
          .opens=${this._opens}></ud-chart>`;
      })}</section>`;
  }
}
customElements.define('ud-analytics', Analytics);

// --- key figures

/** Good and bad follow the meaning of a metric, not the direction of the arrow. */
function change(page, metric, now, before, why) {
  if (now === null || now === undefined || before === null || before === undefined) return nothing;
  const {formats} = page;
  const [a, b] = [Number(before), Number(now)];
  const points = metric.unit === 'ratio';
  const size = points ? (b - a) * 100 : a ? (b - a) / a : b ? null : 0;
  if (size === null) return html`<p class="muted">none before ${why}</p>`;
  const flat = Math.abs(size) < 0.0005;
  const text = points ? `${formats.number(Math.abs(size), 2)} pt` : formats.percent(Math.abs(size));
  const kind = flat || !metric.good ? 'muted' : size > 0 === (metric.good === 'up') ? 'good' : 'bad';
  const words = flat ? 'unchanged' : size > 0 ? 'up' : 'down';
  return html`<p class=${kind} title="Before: ${formats.value(before, metric)}"><span
    aria-hidden="true">${flat ? '=' : size > 0 ? '▲' : '▼'}</span><span
    class="only-read">${words}</span> ${text} <span class="only-read">against the period before</span> ${why}</p>`;
}

function tiles(host, parts, answer) {
  const {page, _before: beforeQuestion, _sum: question} = host;
  const worst = host._worst.data;
  const names = [parts.count, parts.rate, parts.average, parts.p95, parts.errors, parts.more].filter(Boolean);
  const now = single(answer);
  const before = beforeQuestion.data && columnsOf(beforeQuestion.data)[parts.count] ? single(beforeQuestion.data) : {};
  const busy = question.loading && answer;
  if (!answer)
    return html`<section class="tiles" aria-label="Key figures">${names.map(() => html`<div class="card tile"></div>`)}
    ${question.error ? cardBody([question], 0, () => nothing) : nothing}</section>`;
  return html`<section class="tiles ${busy ? 'busy' : ''}" aria-label="Key figures" aria-busy=${Boolean(busy)}>${names.map(
    (name) => {
      const metric = page.catalog.metric(name);
      return html`<div class="card tile" data-metric=${name}><h2 class="label">${metric.title}</h2>
      <div class="value">${page.formats.value(now[name], metric)}</div>
      ${beforeQuestion.error || beforeQuestion.data?.available_from ? nothing : change(page, metric, now[name], before[name], whyButton(host, metric))}
      ${name === parts.errors && worst && columnsOf(worst)[name] ? mostly(page, parts, worst) : nothing}</div>`;
    },
  )}</section>`;
}

/** The most frequent status among errors, as a way into the log. */
function mostly(page, parts, answer) {
  const [first] = totals(answer, ['status'], page.catalog.metric(parts.errors)).filter((r) => Number(r.cell) > 0 && !r.other);
  if (!first) return nothing;
  const f = narrowedTo(page.state.f, [['status', String(first.values[0])]]);
  return html`<p>${page.link({tab: 'log', r: page.state.r, f, q: '', id: ''}, html`${first.label}: ${page.formats.number(first.cell)}`)}</p>`;
}

// --- by path, or by anything else

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
  `,
  ];

  constructor() {
    super();
    this._rows = new Question(this, (data) => this.page.names.learn(data));
    this._all = false;
  }

  willUpdate() {
    const {page, parts} = this;
    const {dim, of: subject} = page.state;
    const metric = [parts.count, parts.rate, parts.average, parts.p95, parts.errors, parts.more].filter(Boolean).join();
    this._url = usageQuestion(page, {metric, by: dim, interval: 'total', top: this._all ? ALL : FEW}, {subject});
    this._csv = asCsv(usageQuestion(page, {metric, by: dim, interval: 'total'}, {subject}));
    this._rows.ask(this._url);
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
      ...catalog
        .dimensionsOf(state.of)
        .filter((d) => d.split && d.name !== 'workspace_id')
        .map((d) => ({
          value: d.name,
          title: d.name === 'path' ? 'Exact path' : d.title,
          reason: d.workspace_only && state.scope === 'account' ? 'Only in the workspace view.' : undefined,
        })),
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
    const rows = totals(this._rows.data, dimensions, metrics[0]);
    const total = rows.reduce((a, r) => a + Number(r.cell), 0);
    const shares = !dimensions.some((n) => catalog.dimension(n).overlapping);
    const unsure = (m, row) => m.unit === 'ms' && row.cell < SURE;
    const share = (row) => html`<td class="number">${total ? formats.percent(row.cell / total) : '—'}</td>`;
    const figure = (m, row) => html`<td class="number ${unsure(m, row) ? 'unsure' : ''}"
      title=${unsure(m, row) ? `From ${row.cell} only.` : nothing}>${formats.value(row.cells[m.name], m)}</td>`;
    const more = rows.some((r) => r.other) || this._all;
    return html`<div class="scroll"><table>
      <caption class="only-read">${this._title(dimensions.join())}. A name opens the log filtered to it.</caption>
      <thead><tr><th scope="col">${dimensions.length > 1 ? 'Path' : catalog.dimension(dimensions[0]).title}</th>
        ${metrics.map((m, i) => [
          html`<th scope="col" class="number" title=${m.help}>${short(m.title)}</th>`,
          i || !shares ? nothing : html`<th scope="col" class="number">Share</th>`,
        ])}</tr></thead>
      <tbody>${repeat(
        rows,
        (r) => r.key,
        (row) => html`<tr><th scope="row" class="mono">${row.other ? row.label : this._link(dimensions, row)}</th>
          ${metrics.map((m, i) => [figure(m, row), i || !shares ? nothing : share(row)])}</tr>`,
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

  _link(dimensions, row) {
    const {page} = this;
    const f = narrowedTo(
      page.state.f,
      dimensions.map((name, i) => [name, row.values[i] === null ? '' : String(row.values[i])]),
    );
    return page.link({tab: 'log', r: page.state.r, f, q: '', id: ''}, row.label);
  }
}
customElements.define('ud-by-table', ByTable);

/** Column heads: `Average latency` → `Average`. */
const short = (title) =>
  title
    .replace(/^Average .*/, 'Average')
    .replace(/^p95 .*/, 'p95')
    .replace(/^.*uccess rate$/, 'Success')
    .replace(/^Delivery attempts$/, 'Attempts')
    .replace(/^Failed attempts$/, 'Failed');
