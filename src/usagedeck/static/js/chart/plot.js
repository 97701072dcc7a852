/** `<ud-chart>`: bars, areas or lines over buckets, read by pointer, keyboard and screen reader alike. */
import {LitElement, css, html, nothing, svg} from '../../vendor/lit.js';
import {explicit} from '../ranges.js';
import {base} from '../styles.js';
import {sumOf} from './figures.js';
import {TOP, axes, laidOut, shapes, swatch} from './shapes.js';

const ROWS = 9;
const BLANK = 'No values in this range';
const KINDS = {bars: 'bar chart', area: 'area chart', line: 'line chart'};

class Chart extends LitElement {
  static properties = {
    page: {attribute: false},
    /** @type {import('../types.js').ChartData} */
    data: {attribute: false},
    metric: {attribute: false},
    kind: {},
    name: {},
    log: {type: Boolean},
    /** Keys that are not drawn. */
    hide: {attribute: false},
    highlight: {},
    limit: {type: Number},
    floor: {type: Number},
    height: {type: Number},
    ends: {type: Boolean},
    /** What a bucket opens: a change of the page's state. @type {((range: string) => object) | null} */
    opens: {attribute: false},
    _width: {state: true},
    _at: {state: true},
    _pinned: {state: true},
    _focus: {state: true},
    _said: {state: true},
  };

  static styles = [
    base,
    css`
    :host { position: relative; }
    :host { margin-top: 8px; }
    .plot { outline-offset: 4px; border-radius: 4px; touch-action: pan-y; }
    svg { display: block; width: 100%; overflow: visible; }
    text { fill: var(--ud-text-3); font: 11px var(--ud-font); font-variant-numeric: tabular-nums; }
    .dim { opacity: .2; }
    .tip {
      position: absolute; top: 0; left: 0; z-index: 2; width: max-content; min-width: 180px; max-width: min(320px, 90%); padding: 8px 10px;
      border: 1px solid var(--ud-border); border-radius: 8px; background: var(--ud-surface); box-shadow: var(--ud-shadow);
      font: 12px/18px var(--ud-font); font-variant-numeric: tabular-nums; pointer-events: none;
    }
    .tip.pinned { pointer-events: auto; }
    .tip b { font-weight: 600; }
    .tip .line { display: flex; align-items: center; gap: 8px; }
    .tip .line > :nth-last-child(2), .tip .line > .wide {
      flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
    }
    .tip .line > .wide ~ * { flex: none; }
    .tip .figure { white-space: nowrap; }
    .tip .focused { background: var(--ud-hover); border-radius: 4px; }
  `,
  ];

  constructor() {
    super();
    this.kind = 'bars';
    this.height = 240;
    this.floor = 0;
    this._width = 0;
    this._at = null;
    this._pinned = false;
    this._focus = -1;
    this._said = '';
    this._resized = new ResizeObserver(([entry]) => {
      this._width = Math.floor(entry.contentRect.width);
    });
  }

  connectedCallback() {
    super.connectedCallback();
    this._resized.observe(this);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this._resized.disconnect();
  }

  willUpdate(changed) {
    if (changed.has('data') || changed.has('kind')) {
      if (this._at !== null && this._at >= this._count) this._leave();
      this._focus = -1;
    }
    const drawn = ['data', 'kind', 'hide', 'log', 'limit', 'floor', 'height', '_width', 'metric', 'page', 'ends'];
    if (this.data && this._width && drawn.some((name) => changed.has(name))) this._layout = laidOut(this);
  }

  get _count() {
    return (this.data?.edges.length ?? 1) - 1;
  }

  get visible() {
    return this.data.series.filter((s) => !this.hide?.includes(s.key));
  }

  get _stacked() {
    return this.kind !== 'line';
  }

  /** Absent is not zero: lines that have no value anywhere. */
  get _blank() {
    return this.visible.length > 0 && this.visible.every((s) => s.points.every((p) => p === null));
  }

  /** What the shapes are drawn from. `dim`: is that series behind the one in focus? */
  get _drawing() {
    const behind = (s, k) => (this.highlight && this.highlight !== s.key) || (this._focus >= 0 && this._focus !== k);
    return {
      layout: this._layout,
      series: this.visible,
      log: this.log,
      ends: this.ends,
      dim: (s, k) => (behind(s, k) ? 'dim' : ''),
    };
  }

  render() {
    if (!this.data || !this._layout) return html`<div class="plot"></div>`;
    const {left, width, height} = this._layout;
    return html`
      <div class="plot" role="application" aria-roledescription="chart" tabindex="0" aria-label=${this._description()}
        @keydown=${this._onKey} @pointermove=${this._onMove} @pointerleave=${this._onLeave} @click=${this._onClick} @blur=${this._onBlur}>
        <svg height=${this.height} aria-hidden="true">
          <defs>
            <pattern id="partial" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
              <rect width="3" height="6" fill="var(--ud-surface)" fill-opacity=".6"></rect>
            </pattern>
            <pattern id="repeat" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">
              <rect width="1.6" height="5" fill="var(--ud-surface)" fill-opacity=".75"></rect>
            </pattern>
          </defs>
          <g transform="translate(0 ${TOP})">
            ${
              this._at === null
                ? nothing
                : svg`<rect x=${left + this._at * this._layout.step} y="0" width=${this._layout.step} height=${height}
              fill="var(--ud-text)" fill-opacity=".07"></rect>`
            }
            ${axes(this._layout)}${shapes[this.kind](this._drawing)}
            <path d="M${left},${this._layout.height}h${width}" stroke="var(--ud-border-strong)" stroke-width="1"></path>
            ${
              this.limit
                ? svg`<path d="M${left},${this._layout.y.place(this.limit)}h${width}" stroke="var(--ud-s5)" stroke-width="1.5"
              stroke-dasharray="5 4"></path>`
                : nothing
            }
            ${this._blank ? svg`<text x=${left + width / 2} y=${this._layout.height / 2} text-anchor="middle">${BLANK}</text>` : nothing}
          </g>
        </svg>
      </div>
      ${this._tip()}
      <div class="only-read" aria-live="polite">${this._said}</div>`;
  }

  updated() {
    const tip = this.renderRoot.querySelector('.tip');
    if (!tip || this._at === null) return;
    const {left, step} = this._layout;
    const right = left + (this._at + 1) * step + 6;
    const fits = right + tip.offsetWidth <= this._width + 12;
    const x = fits ? right : left + this._at * step - 6 - tip.offsetWidth;
    tip.style.transform = `translateX(${Math.max(-12, Math.round(x))}px)`;
  }

  /** What was counted in a bucket. */
  _opened(i) {
    const {edges, from, to} = this.data;
    return this.opens(explicit(Math.max(edges[i], from), Math.min(edges[i + 1], to)));
  }

  // --- what is said

  _title(i) {
    return this.page.formats.bucket(this.data.edges[i], this.data.edges[i + 1], this.data.unit);
  }

  /** The rows of a bucket, largest first, Other last. */
  _rows(i) {
    const rows = this.visible.filter((s) => s.points[i] !== null && (s.points[i] !== 0 || !this._stacked));
    return this._stacked || this.data.series.length > 4
      ? rows.toSorted((a, b) => a.other - b.other || b.points[i] - a.points[i])
      : rows;
  }

  _sum(i) {
    return this.visible.every((s) => s.points[i] === null) ? null : sumOf(this.visible.map((s) => ({cells: [s.cells[i]]})));
  }

  _open(i) {
    const {edges, asOf} = this.data;
    if (i !== this._layout.partial) return '';
    return `in progress, ${Math.round((100 * (asOf - edges[i])) / (edges[i + 1] - edges[i]))} % has passed`;
  }

  _description() {
    const {formats} = this.page;
    const {edges, series} = this.data;
    if (this._blank) return `${this.name}: ${BLANK}.`;
    const sum = this._stacked && this.metric.additive ? ` Total ${formats.quantity(this.total, this.metric)}.` : '';
    const count = series.length > 1 ? `, ${series.length} series` : '';
    return (
      `${this.name}: ${KINDS[this.kind]}, ${this._count} buckets, ${formats.period({start: edges[0], end: edges.at(-1)})}${count}.${sum}${this.limit ? ` Limit ${formats.quantity(this.limit, this.metric)}.` : ''} ` +
      'Left and right arrow keys read the buckets, up and down the series, Enter keeps one open.'
    );
  }

  /** What is drawn adds up to this; the running sums of a cumulative chart end with it. */
  get total() {
    if (this.kind === 'area') return this._sum(Math.max(0, this._layout.past - 1));
    return sumOf(this.visible);
  }

  _tip() {
    if (this._at === null) return nothing;
    const {formats} = this.page;
    const i = this._at;
    const sum = this._stacked && this.visible.length > 1 ? this._sum(i) : null;
    const rows = this._rows(i);
    const figure = (s) => (this.metric.unit ? formats.value(s.cells[i], this.metric) : formats.number(s.cells[i]));
    return html`<div class="tip ${this._pinned ? 'pinned' : ''}">
      <div class="line"><b class="wide">${this._title(i)}</b>${
        sum === null
          ? nothing
          : html`<b
        class="figure">${formats.value(sum, this.metric)}</b>`
      }</div>
      ${rows.slice(0, ROWS).map(
        (s) => html`<div class="line ${this.visible.indexOf(s) === this._focus ? 'focused' : ''}">
        ${swatch(s)}<span class="wide">${s.label}</span><span class="figure">${figure(s)}</span>
        ${
          sum === null || !Number(sum)
            ? nothing
            : html`<span
          class="figure muted">${formats.percent(s.points[i] / Number(sum))}</span>`
        }</div>`,
      )}
      ${rows.length > ROWS ? html`<div class="muted">${rows.length - ROWS} more</div>` : nothing}
      ${rows.length ? nothing : html`<div class="muted">Nothing here</div>`}
      ${this._open(i) ? html`<div class="muted">${this._open(i)}</div>` : nothing}
      ${this._pinned && this.opens ? this.page.link(this._opened(i), 'Open in the log') : nothing}
    </div>`;
  }

  _say() {
    const i = this._at;
    if (i === null) return;
    const {formats} = this.page;
    const focused = this.visible[this._focus];
    const one = (s) => `${s.label} ${formats.value(s.cells[i], this.metric)}`;
    const sum = this._stacked ? formats.quantity(this._sum(i), this.metric) : '';
    const rows = focused ? [focused] : this._rows(i).slice(0, 3);
    this._said = [this._title(i), focused ? '' : sum, ...rows.map(one), this._open(i)].filter(Boolean).join('; ');
  }

  // --- how it is operated

  _leave() {
    this._at = null;
    this._pinned = false;
  }

  _bucketAt(event) {
    const x = event.clientX - this.getBoundingClientRect().left - this._layout.left;
    const i = Math.floor(x / this._layout.step);
    return x >= 0 && i < this._count ? i : null;
  }

  _onMove(event) {
    if (!this._pinned && event.pointerType !== 'touch') this._at = this._bucketAt(event);
  }

  _onLeave() {
    if (!this._pinned) this._at = null;
  }

  _onClick(event) {
    const i = this._bucketAt(event);
    if (i === null || (this._pinned && i === this._at)) this._leave();
    else [this._at, this._pinned] = [i, true];
  }

  _onBlur(event) {
    if (!this.renderRoot.contains(event.relatedTarget)) this._leave();
  }

  _onKey(event) {
    const last = this._count - 1;
    const from = this._at ?? (event.key === 'ArrowLeft' ? this._count : -1);
    const moves = {ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last, PageUp: from - 7, PageDown: from + 7};
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) this._at = Math.min(last, Math.max(0, moves[event.key]));
    else if (event.key === 'ArrowUp' || event.key === 'ArrowDown') {
      const count = this.visible.length;
      this._focus = ((this._focus + 1 + (event.key === 'ArrowDown' ? 1 : count)) % (count + 1)) - 1;
      this._at ??= last;
    } else if (event.key === 'Enter' && this._at !== null) this._pinned = !this._pinned;
    else if (event.key === 'Escape' && this._at !== null) {
      this._leave();
      this._focus = -1;
    } else return;
    event.preventDefault();
    event.stopPropagation();
    this._say();
  }
}
customElements.define('ud-chart', Chart);
