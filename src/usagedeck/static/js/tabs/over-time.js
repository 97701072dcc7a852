/** `<ud-over-time>`: the chart of the Analytics tab: counts by status, or any metric, split by any dimension. */
import {LitElement, css, html, nothing} from '../../vendor/lit.js';
import {Question} from '../api.js';
import {inSentence, narrowedTo} from '../catalog.js';
import {byStatus, columnsOf, overTime, rateFloor} from '../chart/figures.js';
import '../chart/plot.js';
import {key} from '../chart/shapes.js';
import {finest, offered} from '../ranges.js';
import {base} from '../styles.js';
import {cardBody} from '../ui/card.js';
import '../ui/controls.js';

const HEIGHT = 260;

class OverTime extends LitElement {
  static properties = {
    page: {attribute: false},
    /** What is asked. */
    url: {attribute: false},
    /** The metric that counts rows, and what the tab calls it. */
    count: {attribute: false},
    counted: {attribute: false},
    interval: {attribute: false},
    /** How long the range is, and into how many buckets it is cut at the most. */
    length: {attribute: false},
    bars: {attribute: false},
    /** The change of the page's state that opens rows of the log. @type {(which: object, metric: object) => object} */
    rowsOf: {attribute: false},
  };

  static styles = [
    base,
    css`.key li { max-width: 280px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }`,
  ];

  constructor() {
    super();
    this._answer = new Question(this, (data) => this.page.names.learn(data));
  }

  willUpdate() {
    this._answer.ask(this.url);
  }

  _title(title, split) {
    if (split === 'none') return `${title} over time`;
    return `${title} by ${split === 'status_class' ? 'status' : this._noun(split)}`;
  }

  _noun(split) {
    return inSentence(this.page.catalog.dimension(split)?.title ?? split);
  }

  render() {
    const {page} = this;
    const {state, catalog} = page;
    const others = catalog.metricItems(state.of, page.me.workspace).filter((m) => m.value !== this.count);
    const metrics = [{value: '', title: this.counted}, ...others];
    const dimensions = [{value: 'none', title: 'Not split'}, ...catalog.splitItems(state.of, state.scope)];
    const fine = offered(this.length).map(({name, title}) => ({value: name, title}));
    const usual = finest(this.length, this.bars).name;
    return html`<section class="card" aria-labelledby="status">
      <header><h2 id="status">${this._title(state.chart ? catalog.metric(state.chart).title : this.counted, state.split)}</h2>
        <div class="end">
          <ud-menu label="Chart" search align="end" .items=${metrics} .value=${state.chart}
            @pick=${(e) => page.go({chart: e.detail})}></ud-menu>
          <ud-menu label="Split by" search align="end" .items=${dimensions} .free=${(text) => catalog.ownItem(text)} .value=${state.split}
            @pick=${(e) => page.go({split: e.detail})}></ud-menu>
          <ud-menu label="Granularity" quiet align="end" .items=${fine} .value=${this.interval}
            @pick=${(e) => page.go({g: e.detail === usual ? '' : e.detail})}></ud-menu></div></header>
      ${cardBody([this._answer], HEIGHT, () => this._chart())}</section>`;
  }

  /** What the answer says, which may still be the one before: it is drawn as what it is. */
  _chart() {
    const {page} = this;
    const columns = columnsOf(this._answer.data);
    const metric = page.catalog.metric(Object.keys(columns).at(-1));
    const split = Object.keys(columns).find((name) => `${name}_label` in columns) ?? 'none';
    const found = overTime(this._answer.data, split === 'none' ? [] : [split], metric);
    const data = split === 'status_class' ? byStatus(found) : found;
    const {overlapping} = page.catalog.dimension(split) ?? {};
    const narrowed = ({values: [value]}) => narrowedTo(page.state.f, [[split, value === null ? '' : String(value)]]);
    const link = (s) => (s.other ? s.label : page.link(this.rowsOf({r: page.state.r, f: narrowed(s)}, metric), s.label));
    return html`${split === 'none' ? nothing : key(data.series, link)}<ud-chart .page=${page} .data=${data}
      .metric=${{...metric, ...columns[metric.name]}} .height=${HEIGHT}
      .kind=${metric.additive && !overlapping ? 'bars' : 'line'} .floor=${metric.unit === 'ratio' ? rateFloor(data) : 0}
      .name=${split === 'none' ? metric.title : this._title(metric.title, split)} .opens=${(r) => this.rowsOf({r}, metric)}></ud-chart>${
        overlapping ? html`<p class="small muted">A request counts in each ${this._noun(split)} it belongs to, so the lines add up to more than the total.</p>` : nothing
      }`;
  }
}
customElements.define('ud-over-time', OverTime);
