/** What the lists look like, and the figures in them: thirty days as a line, when something happened, how many. */
import {css, html, nothing, svg} from '../../vendor/lit.js';

const [WIDTH, HEIGHT] = [96, 24];

export const listStyles = css`
  .scroll { position: relative; }
  tbody th { min-width: 140px; overflow-wrap: anywhere; }
  .find { width: 200px; }
  td.end { position: sticky; right: 0; width: 1px; text-align: right; background: var(--ud-surface); }
  tbody tr:hover td.end { background: var(--ud-hover); }
  h2:focus { outline: none; }
`;

/** A line of amounts; what it says is written beside it. */
export function spark(amounts) {
  const most = Math.max(...amounts, 1);
  const x = (i) => ((i / Math.max(1, amounts.length - 1)) * (WIDTH - 2) + 1).toFixed(1);
  const y = (v) => (HEIGHT - 2 - (v / most) * (HEIGHT - 4)).toFixed(1);
  const line = amounts.map((v, i) => `${i ? 'L' : 'M'}${x(i)},${y(v)}`).join('');
  return html`<svg width=${WIDTH} height=${HEIGHT} viewBox="0 0 ${WIDTH} ${HEIGHT}" aria-hidden="true">${svg`
    <path d="${line}L${x(amounts.length - 1)},${HEIGHT}L${x(0)},${HEIGHT}z" fill="var(--ud-accent-soft)"></path>
    <path d=${line} fill="none" stroke="var(--ud-accent)" stroke-width="1.5" stroke-linejoin="round"></path>`}</svg>`;
}

/** `5 min ago`, with the instant in full; `none` where there is none. */
export const since = (page, text, none = '—') =>
  text ? html`<span title=${page.formats.full(Date.parse(text))}>${page.formats.ago(page.now() - Date.parse(text))}</span>` : none;

/** A day, with the instant in full. */
export const on = (page, text) => html`<span title=${page.formats.full(Date.parse(text))}>${page.formats.day(Date.parse(text))}</span>`;

export const tag = (kind, text, title = nothing) => html`<span class="tag ${kind}" title=${title}>${text}</span>`;

/** `3 keys` */
export const many = (page, count, one) => `${page.formats.number(count)} ${one}${count === 1 ? '' : 's'}`;

/** A limit as a field has it: whole credits, or none. */
export const limitOf = (text) => (text === '' || text === null ? null : Number(text));
