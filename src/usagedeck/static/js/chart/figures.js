/** What charts are made of: an answer's rows as series, their colours, scales and ticks. Nothing is drawn here. */
import {max, min, scaleLinear, scaleLog} from '../../vendor/d3.js';
import {durationUnit, exactSum} from '../format.js';

/** @typedef {import('../types.js').Series} Series */
/** @typedef {import('../types.js').ChartData} ChartData */

const NO_VALUE = '~none';
const keyOf = (values) => values.map((v) => (v === null ? NO_VALUE : String(v))).join(' · ');

function reader({columns}, dimensions) {
  const at = Object.fromEntries(columns.map((c, i) => [c.name, i]));
  return {
    at,
    identity(row) {
      const values = dimensions.map((name) => row[at[name]]);
      const other = Boolean(row[at.is_other]);
      return {
        key: other ? OTHER : keyOf(values),
        values,
        other,
        label: (other ? dimensions.slice(0, 1) : dimensions).map((name) => row[at[`${name}_label`]]).join(' '),
      };
    },
  };
}

/** The metrics of a part of the Analytics tab that are shown as one figure each. */
export const headline = (parts) => [parts.count, parts.rate, parts.average, parts.p95, parts.errors, parts.more].filter(Boolean);

/**
 * Series over time of one metric, the largest first.
 * @param {object} answer of /api/v1/usage
 * @param {string[]} dimensions
 * @param {{name: string, title: string, additive: boolean}} metric
 * @param {{order?: string[]}} [options] keys in the order of another answer
 * @returns {ChartData}
 */
export function overTime(answer, dimensions, metric, {order} = {}) {
  const edges = answer.edges.map((e) => Date.parse(e));
  const asOf = Date.parse(answer.as_of);
  const [from, to] = [answer.window.start, answer.window.end].map((at) => Math.min(Date.parse(at), asOf));
  const bucketOf = new Map(answer.edges.map((e, i) => [e, i]));
  const {at, identity} = reader(answer, dimensions);
  const empty = () => edges.slice(1).map((_, i) => (metric.additive && edges[i] < asOf ? 0 : null));
  const found = new Map();
  for (const row of answer.rows) {
    const {key, ...more} = identity(row);
    if (!found.has(key)) found.set(key, {key, ...more, label: more.label || metric.title, cells: empty()});
    const bucket = bucketOf.get(row[at.bucket_start]);
    if (edges[bucket] < asOf) found.get(key).cells[bucket] = row[at[metric.name]];
  }
  if (!dimensions.length && !found.size) found.set('', {key: '', values: [], other: false, label: metric.title, cells: empty()});
  const series = [...found.values()].map((s) => ({...s, points: s.cells.map((c) => (c === null ? null : Number(c)))}));
  const size = (s) => (order ? -order.indexOf(s.key) : s.points.reduce((a, b) => a + (b ?? 0), 0));
  series.sort((a, b) => a.other - b.other || size(b) - size(a));
  return {edges, from, to, unit: answer.interval, asOf, series: coloured(dimensions.join(), series)};
}

/** One series per metric, for lines that belong together. */
export function metricsOverTime(answer, metrics, paint) {
  const parts = metrics.map((m) => overTime(answer, [], m).series[0]);
  const series = metrics.map((m, i) => ({...parts[i], key: m.name, label: m.short ?? m.title, ...paint[i]}));
  return {...overTime(answer, [], metrics[0]), series};
}

/** Totals of an answer with interval=total, the largest first, Other last. */
export function totals(answer, dimensions, metric) {
  const {at, identity} = reader(answer, dimensions);
  const rows = answer.rows.map((row) => ({
    ...identity(row),
    cell: row[at[metric.name]],
    cells: Object.fromEntries(answer.columns.map((c, i) => [c.name, row[i]])),
  }));
  rows.sort((a, b) => a.other - b.other || Number(b.cell ?? -1) - Number(a.cell ?? -1));
  return coloured(dimensions.join(), rows);
}

function coloured(dimension, series) {
  const found = colors(
    dimension,
    series.map((s) => s.key),
  );
  return series.map((s) => ({...s, ...found.get(s.key)}));
}

/** Columns of an answer by name. */
export const columnsOf = (answer) => Object.fromEntries(answer.columns.map((c) => [c.name, c]));

/** The one row of an answer that has a single one, by column name; empty when nothing came yet. */
export const single = (answer) =>
  answer?.rows.length ? Object.fromEntries(answer.columns.map((c, i) => [c.name, answer.rows[0][i]])) : {};

/** All rows of an answer by column name. */
export const rowsOf = (answer) => answer.rows.map((row) => Object.fromEntries(answer.columns.map((c, i) => [c.name, row[i]])));

/** The exact sum of everything drawn. */
export const sumOf = (series) => exactSum(series.flatMap((s) => s.cells));

/** Status classes in the order they are stacked: the good ones below. */
export function byStatus(data) {
  const order = ['2xx', '3xx', '1xx', NO_VALUE, '4xx', '5xx', 'no answer'];
  return {...data, series: data.series.toSorted((a, b) => order.indexOf(a.key) - order.indexOf(b.key))};
}

/** Where the axis of a rate begins: at 90 %, or below its lowest point. */
export function rateFloor(data) {
  const points = data.series.flatMap((s) => s.points.filter((p) => p !== null));
  return Math.min(0.9, Math.floor(Math.min(1, ...points) * 10) / 10);
}

// --- colours: assigned by rank when a key is first seen and kept for the session, so that filters do not recolour

const SLOTS = 8;
const STATUS = {'1xx': 's3', '2xx': 's2', '3xx': 's3', '4xx': 's4', '5xx': 's5', 'no answer': 's5'};
const pinned = new Map();

/** The key of the series that folds all others. */
const OTHER = '~other';

/**
 * The colours of series, the largest first.
 * @returns {Map<string, {color: string, hatch: boolean}>} a token's name without `--ud-`, and whether that slot is a repeat
 */
export function colors(dimension, keys) {
  if (dimension === 'status_class') return new Map(keys.map((key) => [key, statusColor(key)]));
  const known = pinned.get(dimension) ?? new Map();
  pinned.set(dimension, known);
  const taken = new Set();
  const found = new Map();
  const open = [];
  for (const key of keys) {
    const slot = known.get(key);
    if (key === OTHER) found.set(key, {color: 'c0', hatch: false});
    else if (slot !== undefined && !taken.has(slot)) {
      taken.add(slot);
      found.set(key, slotColor(slot));
    } else open.push(key);
  }
  for (const key of open) {
    let slot = 0;
    while (taken.has(slot)) slot++;
    taken.add(slot);
    known.set(key, slot);
    found.set(key, slotColor(slot));
  }
  return found;
}

const slotColor = (slot) => ({color: `c${(slot % SLOTS) + 1}`, hatch: slot >= SLOTS});

function statusColor(key) {
  return {color: STATUS[key] ?? 'c0', hatch: key === 'no answer' || key === '1xx'};
}

// --- scales and ticks

const MINUTES = [1, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440];
const DAY = 1440;
const ROOM = 64;

/** Durations that a logarithmic axis names, in ms. */
const ROUND = [1, 10, 100, 1000, 1e4, 6e4, 6e5, 36e5, 216e5, 864e5, 864e6];

/** The value axis. `floor` is the lowest value that need not be shown from zero; `most` is what a tick's label has to fit to. */
export function valueScale(values, height, {log = false, floor = 0, limit = 0, unit = ''} = {}) {
  const count = Math.max(2, Math.min(4, Math.floor(height / 30)));
  const highest = Math.max(limit, max(values) ?? 0);
  if (log) {
    const least = min(values.filter((v) => v > 0)) ?? 1;
    const low = 10 ** Math.floor(Math.log10(least));
    const high = Math.max(highest, low * 10);
    const scale = scaleLog().domain([low, high]).nice().range([height, 0]);
    const place = (v) => (v > 0 ? scale(v) : height);
    const [from, to] = scale.domain();
    const named = unit === 'ms' ? ROUND.filter((t) => t >= from && t <= to) : scale.ticks(count).filter((t) => Number.isInteger(Math.log10(t)));
    return {place, ticks: high / low <= 10 ? scale.ticks(count) : named, most: (t) => 2 * t};
  }
  const size = unit === 'ms' ? durationUnit(highest)[1] : 1;
  const low = Math.min(floor, min(values) ?? floor);
  const scale = scaleLinear()
    .domain([low, highest > low ? highest : low + 1].map((v) => v / size))
    .nice(count)
    .range([height, 0]);
  return {place: (v) => scale(v / size), ticks: scale.ticks(count).map((t) => t * size), most: () => highest};
}

/** Which buckets carry a label below the axis, and what it says. */
export function bucketTicks({edges, unit}, formats, width) {
  const count = edges.length - 1;
  const room = Math.max(2, Math.floor(width / ROOM));
  const clocked = edges[1] - edges[0] < 20 * 3600e3;
  if (clocked && count > 1) return clockTicks(edges, formats, room);
  const step = Math.max(1, Math.ceil(count / room));
  const text = unit === 'month' || unit === 'year' ? (at) => formats.month(at) : (at) => formats.day(at);
  const found = [];
  for (let i = count - 1; i >= 0; i -= step) found.unshift({i, text: text(edges[i])});
  return found;
}

function clockTicks(edges, formats, room) {
  const minutes = edges.slice(0, -1).map((at) => formats.minuteOfDay(at));
  const fitting = (step) => minutes.flatMap((m, i) => (m % step === 0 ? [i] : []));
  for (const step of MINUTES) {
    const places = fitting(step);
    if (places.length <= room && places.length > 1) return places.map((i) => clockLabel(edges, minutes, i, step, formats));
  }
  const midnights = fitting(DAY);
  const each = Math.max(1, Math.ceil(midnights.length / room));
  if (midnights.length > 1)
    return midnights.filter((_, n) => n % each === 0).map((i) => clockLabel(edges, minutes, i, DAY, formats));
  const every = Math.ceil(minutes.length / room);
  return minutes.flatMap((_, i) => (i % every === 0 ? [clockLabel(edges, minutes, i, 1, formats)] : []));
}

const clockLabel = (edges, minutes, i, step, formats) => ({
  i,
  text: minutes[i] === 0 && (step >= 360 || edges.at(-1) - edges[0] > 864e5) ? formats.day(edges[i]) : formats.time(edges[i]),
});

/** Labels at the ends of lines, pushed apart so that none covers another. */
export function apart(places, gap, height) {
  const order = places.map((y, i) => ({y, i})).sort((a, b) => a.y - b.y);
  order.forEach((one, n) => {
    if (n) one.y = Math.max(one.y, order[n - 1].y + gap);
  });
  const over = (order.at(-1)?.y ?? 0) - height;
  if (over > 0) {
    order.at(-1).y -= over;
    for (let n = order.length - 2; n >= 0; n--) order[n].y = Math.min(order[n].y, order[n + 1].y - gap);
  }
  return order.sort((a, b) => a.i - b.i).map((one) => one.y);
}
