/** Where everything of a chart stands, and its shapes as SVG: one path per series, however many buckets there are. */
import {html, nothing, svg} from '../../vendor/lit.js';
import {area, line, stack} from '../../vendor/d3.js';
import {apart, bucketTicks, valueScale} from './figures.js';

export const TOP = 8;
const BOTTOM = 26;
const LETTER = 6.6;

/** Scales, margins and ticks for a chart's present size and data. */
export function laidOut({data, visible, kind, metric, page, log, floor, limit, ends, height: outer, _width: all}) {
  const {edges, asOf} = data;
  const height = outer - TOP - BOTTOM;
  const count = edges.length - 1;
  const past = edges.slice(0, -1).filter((e) => e < asOf).length;
  const value = (i, k) => visible[k].points[i] ?? 0;
  const stacked = kind === 'line' ? [] : stack().keys(visible.keys()).value(value)([...Array(past).keys()]);
  const lines = () => visible.flatMap((s) => s.points.filter((p) => p !== null));
  const y = valueScale(kind === 'line' ? lines() : (stacked.at(-1) ?? []).map((d) => d[1]), height, {log, floor, limit, unit: metric.unit});
  const labels = y.ticks.map((t) => ({at: y.place(t), text: page.formats.compact(t, metric, y.most(t))}));
  const left = Math.max(36, ...labels.map((l) => l.text.length * LETTER + 12));
  const right = ends ? Math.max(...visible.map((s) => s.label.length), 2) * LETTER + 10 : 8;
  const width = Math.max(40, all - left - right);
  const step = width / count;
  const center = (i) => left + (i + 0.5) * step;
  const partial = past > 0 && edges[past] > asOf ? past - 1 : -1;
  return {left, width, height, step, center, partial, past, y, labels, stacked, ticks: bucketTicks(data, page.formats, width)};
}

export const axes = ({labels, left, width, height, ticks, center}) => svg`
  ${labels.map(
    ({at, text}) => svg`<path d="M${left},${at}h${width}" stroke="var(--ud-grid)"></path>
      <text x=${left - 8} y=${at} dy=".32em" text-anchor="end">${text}</text>`,
  )}
  ${ticks.map(({i, text}) => svg`<text x=${center(i)} y=${height + 18} text-anchor="middle">${text}</text>`)}`;

const filled = ({color, hatch}, d, dim) => svg`<g class=${dim}><path d=${d} fill="var(--ud-${color})"></path>
  ${hatch ? svg`<path d=${d} fill="url(#repeat)"></path>` : nothing}</g>`;

const drawn = ({color}, d, dim) => svg`<path class=${dim} d=${d} fill="none" stroke="var(--ud-${color})" stroke-width="2"
  stroke-linejoin="round" stroke-linecap="round"></path>`;

function bars({layout, series, log, dim}) {
  const {stacked, y, left, step, partial, height} = layout;
  const gap = step > 12 ? Math.min(8, step * 0.2) : step > 3 ? 1 : 0;
  const wide = Math.max(0.5, step - gap).toFixed(2);
  const bar = (i, from, to) => {
    const tall = from - to;
    if (!(tall > 0)) return '';
    // a hair's breadth between the parts of a stack, and never less than a pixel of what is there
    const seen = Math.max(1, tall >= 3 ? tall - 1 : tall).toFixed(2);
    return `M${(left + i * step + gap / 2).toFixed(2)},${to.toFixed(2)}h${wide}v${seen}h-${wide}z`;
  };
  const path = (k) => stacked[k].map(([a, b], i) => bar(i, log ? height : y.place(a), y.place(b))).join('');
  const top = partial >= 0 && stacked.length ? bar(partial, height, y.place(stacked.at(-1)[partial][1])) : '';
  return svg`${series.map((s, k) => filled(s, path(k), dim(s, k)))}<path d=${top} fill="url(#partial)"></path>`;
}

function areas({layout, series, dim}) {
  const {stacked, y, center, partial} = layout;
  const from = (d) => y.place(d[0]);
  const to = (d) => y.place(d[1]);
  const shape = area()
    .x((_, i) => center(i))
    .y0(from)
    .y1(to);
  const last = (top) =>
    area()
      .x((i) => center(i))
      .y0(y.place(0))
      .y1((i) => to(top[i]))([partial - 1, partial]);
  const top = partial > 0 && stacked.length ? last(stacked.at(-1)) : '';
  return svg`${series.map((s, k) => filled(s, shape(stacked[k]) ?? '', dim(s, k)))}<path d=${top} fill="url(#partial)"></path>`;
}

function lines({layout, series, ends, dim}) {
  const {y, center, partial, past, height} = layout;
  const shape = line()
    .defined(([, v]) => v !== null)
    .x(([i]) => center(i))
    .y(([, v]) => y.place(v));
  const points = series.map((s) => s.points.slice(0, past).map((v, i) => [i, v]));
  const last = ends ? points.map((p) => p.findLast(([, v]) => v !== null)) : [];
  const heights = last.map((e) => (e ? y.place(e[1]) : 0));
  const places = apart(heights, 12, height);
  return series.map((s, k) => {
    const whole = partial >= 0 ? points[k].slice(0, partial) : points[k];
    const open = partial >= 0 ? points[k].slice(Math.max(0, partial - 1)) : [];
    return svg`${drawn(s, shape(whole) ?? '', dim(s, k))}
      <g stroke-dasharray="3 4">${drawn(s, shape(open) ?? '', dim(s, k))}</g>
      ${last[k] ? svg`<text x=${center(past - 1) + 6} y=${places[k]} dy=".32em">${s.label}</text>` : nothing}`;
  });
}

export const shapes = {bars, area: areas, line: lines};

/** A square of a series' colour. */
export const swatch = ({color, hatch}) => html`<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">
  <rect width="10" height="10" fill="var(--ud-${color})"></rect>
  ${hatch ? svg`<path d="M-1,3L7,11M3,-1L11,7" stroke="var(--ud-surface)" stroke-width="1.6"></path>` : nothing}</svg>`;

/** What the colours of a chart mean. */
export const key = (series, link = (s) => s.label) =>
  html`<ul class="row small key" aria-label="Key">${series.map((s) => html`<li>${swatch(s)} ${link(s)}</li>`)}</ul>`;
