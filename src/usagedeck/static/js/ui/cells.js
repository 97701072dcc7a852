/** A cell of the log as text: the same in the table and in the details of a row. */
import {html, nothing} from '../../vendor/lit.js';

export const MONO = ['method', 'path', 'route', 'id', 'trace_id', 'message_id', 'request_id', 'ip', 'url', 'user_agent'];
export const NUMBERS = ['Int', 'Decimal', 'Float'];
export const PLAIN = ['status', 'attempt'];

/** A cell as text, with what it says in full. */
export function cellText(page, column, value, name) {
  const {formats} = page;
  if (value === null || value === undefined || value === '') return '—';
  if (name) return name;
  if (column.type === 'DateTime') return formats.full(Date.parse(value));
  if (column.type === 'Array') return value.map((v) => page.names.of('group_id', v)).join(', ') || '—';
  if (column.type === 'Map')
    return (
      Object.entries(value)
        .map(([k, v]) => `${k}=${v}`)
        .join(', ') || '—'
    );
  if (PLAIN.includes(column.name)) return String(value);
  if (column.unit === 'ms') return formats.exactDuration(value);
  return NUMBERS.includes(column.type) ? formats.value(value, column) : String(value);
}

export const statusBadge = (status) =>
  html`<span class="tag ${statusTag(status)}" title=${status === 0 ? 'No answer' : nothing}>${status}</span>`;

/** The class of a status code's tag: s2 … s5, s0 for no answer. */
const statusTag = (status) => (status === null || status === undefined ? '' : `s${Math.floor(status / 100)}`);

/** A cell of the table of the log. An instant of today is a time of day; its title has the rest. */
export function logCell(page, column, value, name, asOf) {
  const {formats} = page;
  if (column.name === 'status') return value === null ? '—' : statusBadge(value);
  if (column.type !== 'DateTime') return cellText(page, column, value, name);
  const at = Date.parse(value);
  const near = formats.isoDay(at) === formats.isoDay(asOf);
  return html`<time datetime=${value}
    title="${new Date(at).toISOString()}, ${formats.ago(asOf - at)}, ${at}">${near ? '' : `${formats.day(at)}, `}${formats.clock(at)}</time>`;
}
