/** Filters as people type them: `status:5xx path:/v1/…`. Loaded when the first one is taken. */

/** @typedef {import('./types.js').Filter} Filter */

const TYPED = /(-?)([\p{L}][\p{L}\p{N}_.-]*):(>=|<=|>|<|=)?("[^"]*"|\S+)/gu;
const SIGNS = {'>': 'gt', '>=': 'ge', '<': 'lt', '<=': 'le'};

/** The dimension a person means by a word such as `path`, `API key` or `product`. */
function meant(word, catalog, {of, per}) {
  const plain = word.toLowerCase().replace(/[\s-]+/g, '_');
  return (
    catalog
      .dimensionsOf(of, per)
      .find(
        (d) =>
          d.name === plain ||
          d.name === `${plain}_id` ||
          d.name === `${plain}_type` ||
          d.title.toLowerCase().replace(/\s+/g, '_') === plain,
      ) ?? (plain.startsWith('attributes.') ? catalog.dimension(word) : undefined)
  );
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
    const values = op in SIGNS || text ? [raw] : raw.split(',');
    filters.push({dimension: dimension.name, op, values: classed ? [raw.toLowerCase()] : values});
    return '';
  });
  return {filters, rest: rest.replace(/\s+/g, ' ').trim()};
}

/** A filter the way it would be typed. */
export function typed({dimension, op, values}) {
  const sign = {gt: '>', ge: '>=', lt: '<', le: '<='}[op] ?? '';
  const text = values.join(',');
  return `${op === 'not_in' ? '-' : ''}${dimension}:${sign}${/\s/.test(text) ? `"${text}"` : text}`;
}
