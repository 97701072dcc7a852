/** `<ud-capacity>`: API requests by status and concurrent requests, each with its own period: about capacity, not billing. */
import {LitElement, css, html, nothing} from '../../vendor/lit.js';
import {Question, asCsv, usageQuestion} from '../api.js';
import {activeIn} from '../catalog.js';
import {byStatus, metricsOverTime, overTime, single, sumOf} from '../chart/figures.js';
import '../chart/plot.js';
import {interval} from '../ranges.js';
import {PERIODS} from '../state.js';
import {base} from '../styles.js';
import {cardBody} from '../ui/card.js';
import '../ui/controls.js';
import {exportLink} from '../ui/toolbar.js';

const HEIGHT = 200;
const PAINT = [
  {color: 'c1', hatch: false},
  {color: 'c3', hatch: false},
];

class Capacity extends LitElement {
  static properties = {page: {attribute: false}};

  static styles = [
    base,
    css`
    .figures { font-size: 14px; color: var(--ud-text-3); margin-left: auto; }
    .figures .over { color: var(--ud-err); }
  `,
  ];

  constructor() {
    super();
    this._requests = new Question(this);
    this._active = new Question(this);
    this._peak = new Question(this);
    this._over = new Question(this);
  }

  willUpdate() {
    const {page} = this;
    const {rp, rg, cp, cg} = page.state;
    const range = PERIODS[cp].range;
    this._requestsUrl = usageQuestion(page, {metric: 'requests', by: 'status_class', interval: rg}, {range: PERIODS[rp].range});
    this._activeUrl = usageQuestion(page, {metric: 'concurrency,concurrency_average', interval: cg}, {range});
    this._requests.ask(this._requestsUrl);
    this._active.ask(this._activeUrl);
    const total = (metric) => usageQuestion(page, {metric, interval: 'total'}, {range});
    this._peak.ask(total('concurrency,concurrency_average'));
    this._over.ask(this._exceeds && !this._peak.loading ? total('concurrency_over_limit') : null); // of its own, since it may take longer than the chart
  }

  get _limit() {
    return this.page.me.workspace.concurrency_limit ?? 0;
  }

  get _exceeds() {
    return this._limit > 0 && single(this._peak.data).concurrency > this._limit;
  }

  /** How long the limit was exceeded, once that is known. */
  get _exceeded() {
    const share = single(this._over.data).concurrency_over_limit;
    return share ? ` · above the limit ${this.page.formats.percent(share)} of the time` : '';
  }

  render() {
    return html`<div class="cards">${this._requestsCard()}${this._activeCard()}</div>`;
  }

  _card(id, title, figures, [period, cut], url, body) {
    const {page} = this;
    const {state} = page;
    const periods = Object.entries(PERIODS).map(([value, p]) => ({value, title: p.title}));
    const cuts = PERIODS[state[period]].intervals.map((name) => ({value: name, title: interval(name).title}));
    return html`<section class="card" aria-labelledby=${id}>
      <header><h2 id=${id}>${title}</h2><p class="figures">${figures}</p></header>
      <div class="row"><ud-segments label="${title}: period" .items=${periods} .value=${state[period]}
        @pick=${(e) => page.go({[period]: e.detail})}></ud-segments>
        <ud-menu label="${title}: granularity" quiet .items=${cuts} .value=${state[cut]}
          @pick=${(e) => page.go({[cut]: e.detail})}></ud-menu>
        <span class="grow"></span>${exportLink(asCsv(url), 'CSV', 'plain')}</div>
      ${body}</section>`;
  }

  get _opens() {
    return (r) => ({tab: 'log', of: 'requests', r, q: '', id: ''});
  }

  _requestsCard() {
    const {page} = this;
    const {formats} = page;
    const metric = page.catalog.metric('requests');
    const data = this._requests.data && byStatus(overTime(this._requests.data, ['status_class'], metric));
    const total = data && sumOf(data.series);
    return this._card(
      'requests',
      'API requests',
      data ? html`<span data-total=${total}>${formats.number(total)}</span> total` : nothing,
      ['rp', 'rg'],
      this._requestsUrl,
      cardBody(
        [this._requests],
        HEIGHT,
        () => html`<ud-chart .page=${page} .data=${data} .metric=${metric} .height=${HEIGHT}
        name="API requests by status" .opens=${this._opens}></ud-chart>`,
      ),
    );
  }

  _activeCard() {
    const {page, _limit: limit, _exceeds: over} = this;
    const {formats} = page;
    const [peak, average] = ['concurrency', 'concurrency_average'].map((name) => page.catalog.metric(name));
    const found = single(this._peak.data);
    const busy = found.concurrency_average;
    const figures = this._peak.data
      ? html`<span class=${over ? 'over' : ''} title=${over ? 'Requests over the limit are processed at a lower priority.' : nothing}>peak
      ${formats.number(found.concurrency)}${limit ? ` of ${formats.number(limit)}` : ''}</span>${this._exceeded}
      · average ${formats.number(busy, busy < 1 ? 2 : 1)}`
      : nothing;
    const metrics = [
      {...peak, short: 'peak'},
      {...average, short: 'average'},
    ];
    return this._card(
      'active',
      'Concurrent requests',
      figures,
      ['cp', 'cg'],
      this._activeUrl,
      cardBody(
        [this._active, this._peak],
        HEIGHT,
        () => html`<ud-chart .page=${page} .data=${metricsOverTime(this._active.data, metrics, PAINT)}
        kind="line" ends .metric=${{...average, unit: null}} .height=${HEIGHT} .limit=${limit}
        name="Concurrent requests"
        .opens=${(r) => ({...this._opens(r), ...activeIn(peak)})}></ud-chart>`,
      ),
    );
  }
}
customElements.define('ud-capacity', Capacity);
