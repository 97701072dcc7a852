/** The server's catalogue: every metric, dimension, log column and operator the page offers comes from here; and filters, which
 * are spelled in its words: `dimension:operator:value,value` in the URL and the API, chips on the page. `typed.js` has those typed. */

/** @typedef {import('./types.js').Metric} Metric */
/** @typedef {import('./types.js').Dimension} Dimension */
/** @typedef {import('./types.js').Column} Column */

const ATTRIBUTE = 'attributes.';
const ORDERED = ['Int', 'Decimal', 'DateTime'];
const TEXTS = ['String', 'Array'];

/** What counts as active in a bucket may have begun before it: the log is asked for it in another way. @param {Metric} metric */
export const activeIn = ({active}) => ({active: active ? 'on' : 'off'});

/** What a filter does, in words. */
export const OPERATORS = {
  eq: 'is',
  in: 'is',
  neq: 'is not',
  not_in: 'is not',
  contains: 'contains',
  starts_with: 'starts with',
  gt: '>',
  ge: '≥',
  lt: '<',
  le: '≤',
};

/** A title inside a sentence: `Product` → `product`, but `API key` stays. */
export const inSentence = (title) => (/^[A-Z][a-z]/.test(title) ? title[0].toLowerCase() + title.slice(1) : title);

const knows = (dimension, subject, per) => dimension.of.includes(subject) && (!dimension.joined || per === 'deliveries');

export class Catalog {
  /** @param {{metrics: Metric[], dimensions: Dimension[], columns: Record<string, Column[]>}} answer */
  constructor(answer) {
    this.metrics = answer.metrics;
    this.dimensions = answer.dimensions;
    this.columns = answer.columns;
    this._metrics = new Map(answer.metrics.map((m) => [m.name, m]));
    this._dimensions = new Map(answer.dimensions.map((d) => [d.name, d]));
  }

  /** @returns {Metric | undefined} */
  metric(name) {
    return this._metrics.get(name);
  }

  /** The dimension of that name; every `attributes.<key>` is one. @returns {Dimension | undefined} */
  dimension(name) {
    const key = name.startsWith(ATTRIBUTE) ? name.slice(ATTRIBUTE.length) : '';
    if (!key || key.length > 100) return this._dimensions.get(name);
    return {
      name,
      title: key,
      help: "One of the sender's own attributes.",
      type: 'String',
      of: ['requests', 'deliveries'],
      split: true,
      labelled: false,
      overlapping: false,
      workspace_only: false,
      absent: `No ${key}`,
    };
  }

  metricsOf(subject) {
    return this.metrics.filter((m) => m.of === subject);
  }

  /** The same as items of a menu; those that a limit is wanted for cannot be picked without one. */
  metricItems(subject, {currency, concurrency_limit: limit}) {
    return this.metricsOf(subject).map((m) => ({
      value: m.name,
      title: m.title,
      hint: m.unit === 'currency' ? currency : m.unit,
      reason: m.limited && !limit ? 'The workspace has no concurrency limit.' : undefined,
    }));
  }

  /** What questions about a subject may be split by, as items of a menu. */
  splitItems(subject, scope) {
    return this.dimensionsOf(subject)
      .filter((d) => d.split && d.name !== 'workspace_id')
      .map((d) => ({
        value: d.name,
        title: d.title,
        reason: d.workspace_only && scope === 'account' ? 'Only in the workspace view.' : undefined,
      }));
  }

  /** What is typed into such a menu may be a key of the sender's own. */
  ownItem(text) {
    const d = this.dimension(ATTRIBUTE + text.replace(/^attributes\./, ''));
    return d && {value: d.name, title: d.title, hint: 'attribute'};
  }

  /** Without those that only whole deliveries have, where attempts are counted. @param {string} [per] */
  dimensionsOf(subject, per) {
    return this.dimensions.filter((d) => knows(d, subject, per));
  }

  /** Does a filter apply to what is shown of that kind? @param {Filter} filter */
  applies({dimension}, subject, {per}) {
    return knows(this.dimension(dimension), subject, per);
  }

  /** Is something asked that attempts do not know? @param {import('./types.js').State} state */
  asksWhole(state, subject = state.of) {
    return state.f.some((f) => this.dimension(f.dimension).joined && this.applies(f, subject, state));
  }

  /** The columns that rows of the log can have. @param {import('./types.js').State} state */
  columnsOf({of, per}) {
    return this.columns[of].filter((c) => !c.joined || per === of);
  }

  /** Those they have unless the reader picks others, as they stand in the address. */
  usualColumns(state) {
    const shown = this.columnsOf(state).filter((c) => c.shown);
    return shown.map((c) => c.name).join();
  }

  /** @returns {Column | undefined} */
  column(name, state) {
    return (
      this.columnsOf(state).find((c) => c.name === name) ??
      (name.startsWith(ATTRIBUTE) && this.dimension(name) ? {...this.dimension(name), unit: null, shown: false} : undefined)
    );
  }

  /** The operators a dimension takes, sets spelled for several values. */
  operators(dimension) {
    const found = ['in', 'not_in'];
    if (TEXTS.includes(dimension.type)) found.push('contains', 'starts_with');
    if (ORDERED.includes(dimension.type)) found.push('gt', 'ge', 'lt', 'le');
    return found;
  }
}

// --- filters

/** @typedef {import('./types.js').Filter} Filter */

const escaped = (text) => text.replace(/[\\:,]/g, '\\$&');
const unescaped = (text) => text.replace(/\\(.)/gs, '$1');

function split(text, mark, most = Infinity) {
  const parts = [];
  let from = 0;
  for (let at = 0; at < text.length && parts.length < most; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === mark) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)];
}

/** @returns {Filter | null} null when the text is no filter of this catalogue */
export function parseFilter(text, catalog) {
  const parts = split(text, ':', 2);
  if (parts.length !== 3 || !(parts[1] in OPERATORS)) return null;
  const dimension = catalog.dimension(unescaped(parts[0]));
  if (!dimension) return null;
  const values = split(parts[2], ',').map(unescaped);
  const op = {eq: 'in', neq: 'not_in'}[parts[1]] ?? parts[1];
  if (!catalog.operators(dimension).includes(op)) return null;
  return {dimension: dimension.name, op, values};
}

/** @param {Filter} filter */
export function formatFilter({dimension, op, values}) {
  const name = values.length === 1 ? ({in: 'eq', not_in: 'neq'}[op] ?? op) : op;
  return `${escaped(dimension)}:${name}:${values.map(escaped).join(',')}`;
}

/** The filter for what has this value, or none. @returns {Filter} */
export const is = (dimension, value) => ({dimension, op: 'in', values: [String(value ?? '')]});

/** The filters with one more; a set on the same dimension and side is widened or replaced instead of contradicted. */
export function withFilter(filters, added, replaced = null) {
  const place = filters.indexOf(replaced);
  if (place >= 0) return filters.with(place, added);
  const key = formatFilter(added);
  return filters.some((f) => formatFilter(f) === key) ? filters : [...filters, added];
}

/** The same filters, but this dimension is exactly these values. */
export function narrowedTo(filters, pairs) {
  const names = pairs.map(([name]) => name);
  const kept = filters.filter((f) => !(names.includes(f.dimension) && f.op === 'in'));
  return [...kept, ...pairs.map(([dimension, value]) => is(dimension, value))];
}

/** What a chip says: `["API key", "is", "prod-web"]`. */
export function filterWords(filter, page) {
  const dimension = page.catalog.dimension(filter.dimension);
  const names = filter.values.map((v) => (v === '' ? dimension.absent : page.names.of(filter.dimension, v)));
  const listed = names.length > 2 ? `${names.slice(0, 2).join(', ')} +${names.length - 2}` : names.join(', ');
  return [dimension.title, OPERATORS[filter.op], listed || 'nothing'];
}
