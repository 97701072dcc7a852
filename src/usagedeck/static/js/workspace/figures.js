/** What the lists look like, and the figures in them: when something happened, how many, how much of a limit is used. */
import {css, html, nothing} from '../../vendor/lit.js';
import {rowsOf} from '../chart/figures.js';

export const listStyles = css`
  .scroll { position: relative; }
  tbody th { min-width: 140px; overflow-wrap: anywhere; }
  .find { width: 200px; }
  td.end { position: sticky; right: 0; width: 1px; text-align: right; background: var(--ud-surface); }
  tbody tr:hover td.end { background: var(--ud-hover); }
  h2:focus { outline: none; }
  .when { white-space: nowrap; }
  .limit { min-width: 110px; }
  .bar { display: block; height: 4px; margin-top: 2px; border-radius: 2px; background: var(--ud-grid); overflow: hidden; }
  .bar > span { display: block; height: 100%; background: var(--ud-accent); }
  .bar > .full { background: var(--ud-err); }
`;

/** `5 min ago`, with the instant in full; `none` where there is none. */
export const since = (page, text, none = '—') =>
  text ? html`<span class="when" title=${page.formats.full(Date.parse(text))}>${page.formats.ago(page.now() - Date.parse(text))}</span>` : none;

/** A day, with the instant in full. */
export const on = (page, text) => html`<span class="when" title=${page.formats.full(Date.parse(text))}>${page.formats.day(Date.parse(text))}</span>`;

export const tag = (kind, text, title = nothing) => html`<span class="tag ${kind}" title=${title}>${text}</span>`;

/** `3 keys` */
export const many = (page, count, one) => `${page.formats.number(count)} ${one}${count === 1 ? '' : 's'}`;

/** How the limits of a kind stand, by whose they are. */
export const standings = (answer) => new Map((answer ? rowsOf(answer) : []).map((row) => [row.id, row]));

/** A credit limit, and how much of it is used in this billing period. @param {?number} limit @param {?object} row its standing */
export function ofLimit({formats}, limit, row) {
  if (limit === null) return html`<span class="muted">None</span>`;
  if (!row) return formats.number(limit);
  const part = limit ? Number(row.used) / limit : 1;
  const title = row.counted_from ? `Counted from ${formats.moment(Date.parse(row.counted_from))} on.` : 'In this billing period.';
  return html`<span title=${title}>${formats.number(row.used, 0)} of ${formats.number(limit)}
    <span class=${part >= 1 ? 'bad' : 'muted'}>${formats.percent(part)}</span></span>
    <span class="bar" aria-hidden="true"><span class=${part >= 1 ? 'full' : ''} .style=${`width:${Math.min(100, part * 100)}%`}></span></span>`;
}

/** A whole number as a field has it; null where there is none. */
export const wholeOf = (text) => (text === '' || text === null ? null : Number(text));
