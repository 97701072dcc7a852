/** `<ud-analytics>`: how requests, or deliveries of webhooks and their attempts, fare: key figures, counts by status, latency and
 * success. The table below is `<ud-by-table>`. */
import {LitElement, css, html, nothing} from '../../vendor/lit.js';
import {Question, asCsv, usageQuestion} from '../api.js';
import {activeIn, narrowedTo} from '../catalog.js';
import {columnsOf, headline, metricsOverTime, rateFloor, single, totals} from '../chart/figures.js';
import '../chart/plot.js';
import {key} from '../chart/shapes.js';
import {finest, fitting, span} from '../ranges.js';
import {base} from '../styles.js';
import {cardBody, nothingMatches} from '../ui/card.js';
import '../ui/controls.js';
import {exportLink, logSwitch, perSwitch, toolbar} from '../ui/toolbar.js';
import {whyButton, whyPanel} from '../ui/why-button.js';

const BARS = 200;
/** Series of the chart that is split. */
const MOST = 8;
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
    per: 'attempts',
    noun: 'requests',
  },
  deliveries: {
    count: 'deliveries',
    rate: 'delivery_success_rate',
    average: 'delivery_time_avg',
    p95: 'delivery_time_p95',
    errors: 'delivery_errors',
    more: 'attempts_per_delivery',
    lines: ['delivery_time_avg', 'delivery_time_p50', 'delivery_time_p95', 'delivery_time_p99'],
    title: 'Deliveries',
    per: 'deliveries',
    noun: 'deliveries',
    time: 'Time to deliver',
  },
  attempts: {
    count: 'attempts',
    rate: 'attempt_success_rate',
    average: 'attempt_latency_avg',
    p95: 'attempt_latency_p95',
    errors: 'attempt_errors',
    more: 'retries',
    lines: ['attempt_latency_avg', 'attempt_latency_p50', 'attempt_latency_p95', 'attempt_latency_p99'],
    title: 'Delivery attempts',
    per: 'attempts',
    noun: 'delivery attempts',
  },
};
/** Webhooks are counted by the delivery or by the attempt; both are shown, one of them is charted. */
const other = {deliveries: PARTS.attempts, attempts: PARTS.deliveries};
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
    .key a { color: inherit; text-decoration: none; }
    .key a:hover { text-decoration: underline; }
    ud-over-time { display: block; min-height: 344px; }
    ud-by-table, ud-errors { margin-top: 12px; }
    ud-why { margin-bottom: 12px; }
    @container (width < 480px) { .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
  `,
  ];

  constructor() {
    super();
    this._sum = new Question(this);
    this._before = new Question(this);
    this._lines = new Question(this);
    this._worst = new Question(this);
    this._also = new Question(this);
    this._alsoBefore = new Question(this);
    this._rate = new Question(this);
  }

  willUpdate(changed) {
    const {page} = this;
    const {state, asOf} = page;
    const {of: subject} = state;
    const kind = subject === 'requests' ? subject : state.per;
    const parts = PARTS[kind];
    this._parts = parts;
    this._other = !page.catalog.asksWhole(state) && other[kind];
    this._length = span(state.r, asOf);
    const wanted = state.g && state.g !== 'cumulative' ? state.g : finest(this._length, BARS).name;
    this._interval = fitting(wanted, this._length).name;
    const interval = this._interval;
    const split = state.split === 'none' ? {} : {by: state.split, top: state.split === 'status_class' ? '' : MOST};
    const chart = {metric: state.chart || parts.count, ...split, interval};
    this._chartUrl = usageQuestion(page, chart, {subject});
    this._csv = asCsv(usageQuestion(page, {...chart, top: ''}, {subject}));
    this._linesUrl = usageQuestion(page, {metric: [...parts.lines, parts.rate].join(), interval}, {subject});
    if (changed.has('page')) {
      const also = (asked) => this._other && usageQuestion(page, asked, {subject});
      this._also.ask(also({metric: this._other && headline(this._other).join(), interval: 'total'}));
      this._rate.ask(also({metric: this._other?.rate, interval}));
      this._sum.ask(usageQuestion(page, {metric: headline(parts).join(), interval: 'total'}, {subject}));
      this._lines.ask(this._linesUrl);
      this._worst.ask(usageQuestion(page, {metric: parts.errors, by: 'status', interval: 'total', top: 3}, {subject}));
    }
    const {window} = this._sum.data ?? {};
    if (window && !this._sum.loading) {
      const [start, end] = [Date.parse(window.start), Date.parse(window.end)];
      const [from, passed] = [Math.max(0, 2 * start - end), Math.min(end, asOf) - start];
      const before = {start: new Date(from).toISOString(), end: new Date(from + passed).toISOString()};
      const asked = (of) => of && usageQuestion(page, {metric: headline(of).join(), interval: 'total'}, {subject, ...before});
      this._before.ask(asked(parts));
      this._alsoBefore.ask(asked(this._other));
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
      .value=${state.of} @pick=${(e) => page.go({of: e.detail})}></ud-segments>
      ${perSwitch(page)}`;
    const sum = single(this._sum.data);
    const known = parts.count in sum;
    const empty = known && !sum[parts.count] && !this._sum.loading;
    return html`
      ${toolbar(page, {subject: state.of, window: this._sum.data?.window ?? null, csv: this._csv, start: switcher, kept: this._sum.data?.available_from})}
      ${this._tiles(parts, this._sum, this._before)}
      ${this._other ? this._tiles(this._other, this._also, this._alsoBefore) : nothing}
      ${whyPanel(page)}
      ${
        empty
          ? html`<section class="card">${nothingMatches(page, parts.noun)}</section>`
          : html`
        ${this._overTime()}
        <div class="cards">${this._latencyCard()}${this._successCard()}</div>
        ${this._tables()}`
      }`;
  }

  _tables() {
    const {catalog, state} = this.page;
    const attempts = !catalog.asksWhole(state);
    if (attempts) import('./errors.js');
    import('./by-table.js');
    return html`${attempts ? html`<ud-errors .page=${this.page}></ud-errors>` : nothing}<ud-by-table .page=${this.page} .parts=${this._parts}></ud-by-table>`;
  }

  _tiles(parts, question, before) {
    const known = parts.count in single(question.data);
    return tiles(this, parts, known ? question.data : null, before, question);
  }

  /** The rows of the log that a metric counts. */
  _rowsOf(which, metric = this.page.catalog.metric(this._parts.count)) {
    return {tab: 'log', per: metric.joined ? 'deliveries' : 'attempts', q: '', id: '', ...activeIn(metric), ...which};
  }

  get _opens() {
    return (r) => this._rowsOf({r});
  }

  _overTime() {
    import('./over-time.js');
    return html`<ud-over-time .page=${this.page} .url=${this._chartUrl} .count=${this._parts.count} .counted=${this._parts.title}
      .interval=${this._interval}
      .length=${this._length} .bars=${BARS} .rowsOf=${(which, metric) => this._rowsOf(which, metric)}></ud-over-time>`;
  }

  _latencyCard() {
    const {page} = this;
    return html`<section class="card" aria-labelledby="latency">
      <header><h2 id="latency">${this._parts.time ?? 'Latency'}</h2><div
        class="end">${logSwitch(page)}${exportLink(asCsv(this._linesUrl), 'CSV', 'plain')}</div></header>
      ${cardBody([this._lines], 220, () => {
        const columns = columnsOf(this._lines.data);
        const {lines, time} = Object.values(PARTS).find((p) => p.rate in columns);
        const metrics = lines.map((name, i) => ({...page.catalog.metric(name), short: LINES[i]}));
        const data = metricsOverTime(this._lines.data, metrics, PAINT);
        return html`${key(data.series)}<ud-chart .page=${page} .data=${data} .metric=${metrics[0]} kind="line" ends
          ?log=${page.state.scale === 'log'} .height=${220} .name=${time ?? 'Latency'} .opens=${this._opens}></ud-chart>`;
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
        data.series.push(...this._rateBeside(data, metric));
        return html`${data.series.length > 1 ? key(data.series) : nothing}<ud-chart .page=${page} .data=${data} .metric=${metric}
          kind="line" .height=${220} .floor=${rateFloor(data)} name="Success rate" .opens=${this._opens}></ud-chart>`;
      })}</section>`;
  }

  /** The rate of the attempts beside that of the deliveries, or the other way round, once both are there. */
  _rateBeside({edges}, {of, name}) {
    const answer = this._rate.data;
    const metric = answer && this.page.catalog.metric(Object.keys(columnsOf(answer)).at(-1));
    const fits = metric && metric.of === of && metric.name !== name && answer.edges.length === edges.length;
    return fits && Date.parse(answer.edges[0]) === edges[0] ? metricsOverTime(answer, [metric], PAINT).series : [];
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

function tiles(host, parts, answer, beforeQuestion, question) {
  const {page} = host;
  const worst = host._worst.data;
  const names = headline(parts);
  const now = single(answer);
  const before = beforeQuestion.data && columnsOf(beforeQuestion.data)[parts.count] ? single(beforeQuestion.data) : {};
  const busy = question.loading && answer;
  if (!answer)
    return html`<section class="tiles" aria-label=${`Key figures: ${parts.noun}`}>${names.map(() => html`<div class="card tile"></div>`)}
    ${question.error ? cardBody([question], 0, () => nothing) : nothing}</section>`;
  return html`<section class="tiles ${busy ? 'busy' : ''}" aria-label=${`Key figures: ${parts.noun}`} aria-busy=${Boolean(busy)}>${names.map(
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
  return html`<p>${page.link({tab: 'log', per: parts.per, r: page.state.r, f, q: '', id: ''}, html`${first.label}: ${page.formats.number(first.cell)}`)}</p>`;
}
