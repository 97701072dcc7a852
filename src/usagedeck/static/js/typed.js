/** Filters as people type them: `status:5xx path:/v1/… key:prod-web latency:>2s`. Loaded when the first one is taken. */
import {get, question} from './api.js';
import {rowsOf} from './chart/figures.js';

/** @typedef {import('./types.js').Filter} Filter */

const TYPED = /(-?)([\p{L}][\p{L}\p{N}_.-]*):(>=|<=|>|<|=)?("[^"]*"|\S+)/gu;
const LENGTH = /^(\d+(?:\.\d+)?)(ms|s|m|min|h|d)$/i;
const UNITS = {ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000};
const SIGNS = {'>': 'gt', '>=': 'ge', '<': 'lt', '<=': 'le'};

/** The dimension a person means by a word such as `path`, `API key`, `key` or `product`. */
function meant(word, catalog, {of, per}) {
  const plain = word.toLowerCase().replace(/[\s-]+/g, '_');
  if (plain.startsWith('attributes.')) return catalog.dimension(word);
  const all = catalog.dimensionsOf(of, per);
  const words = (d) => d.title.toLowerCase().split(/\s+/);
  const found = all.find((d) => [d.name, words(d).join('_')].includes(plain) || [`${plain}_id`, `${plain}_type`].includes(d.name));
  if (found) return found;
  const ending = all.filter((d) => words(d).at(-1) === plain).toSorted((a, b) => words(a).length - words(b).length);
  const [first, second] = ending; // `key` is the API key, not whether there is one
  return second && words(first).length === words(second).length ? undefined : first;
}

/** `2s` of a column of milliseconds is 2000. */
function amount(raw, {name}, catalog, state) {
  const [, figure, unit] = (catalog.column(name, state)?.unit === 'ms' && LENGTH.exec(raw)) || [];
  return figure ? String(Math.round(figure * UNITS[unit.toLowerCase()])) : raw;
}

/** `status:5xx path:/v1/tts hello` → two filters and the words left over. */
export function typedFilters(text, catalog, state) {
  const filters = [];
  const rest = text.replace(TYPED, (whole, minus, word, sign, quoted) => {
    const raw = quoted.replace(/^"|"$/g, '');
    const classed = /^(status|code)$/i.test(word) && /^\dxx$/i.test(raw);
    const dimension = classed ? catalog.dimension('status_class') : meant(word, catalog, state);
    if (!dimension) return whole;
    const takes = catalog.operators(dimension);
    const text = takes.includes('contains') && !dimension.labelled && !sign && /[/\s]/.test(raw);
    const op = SIGNS[sign] ?? (minus ? 'not_in' : text ? 'contains' : 'in');
    if (!takes.includes(op)) return whole;
    const values = Object.values(SIGNS).includes(op) || text ? [raw] : raw.split(',');
    const plain = classed ? [raw.toLowerCase()] : values.map((one) => amount(one, dimension, catalog, state));
    filters.push({dimension: dimension.name, op, values: plain});
    return '';
  });
  return {filters, rest: rest.replace(/\s+/g, ' ').trim()};
}

/** The same filters with ids where display names were typed; what is nobody's name is an id. */
export const identified = (filters, page) =>
  Promise.all(
    filters.map(async (f) => {
      if (!page.catalog.dimension(f.dimension).labelled || !['in', 'not_in'].includes(f.op)) return f;
      const ids = await Promise.all(f.values.map((text) => idsOf(page, f.dimension, text)));
      return {...f, values: [...new Set(ids.flat())]};
    }),
  );

async function idsOf(page, name, text) {
  const {of: subject} = page.state;
  const asked = {q: text, of: subject, limit: 100};
  const url = question(`values/${encodeURIComponent(name)}`, page, asked, {subject, range: '12mo', filters: []});
  const rows = rowsOf(await get(url).catch(() => ({columns: [], rows: []})));
  const same = rows.filter((r) => r.label.toLowerCase() === text.toLowerCase() && r.value !== null).map((r) => r.value);
  return rows.some((r) => r.value === text) || !same.length ? [text] : same;
}

/** A filter the way it would be typed. */
export function typed({dimension, op, values}) {
  const sign = {gt: '>', ge: '>=', lt: '<', le: '<='}[op] ?? '';
  const text = values.join(',');
  return `${op === 'not_in' ? '-' : ''}${dimension}:${sign}${/\s/.test(text) ? `"${text}"` : text}`;
}
