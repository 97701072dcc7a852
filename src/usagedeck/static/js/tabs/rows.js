/** The table of the log: a row each, walked by keyboard. */
import {html, nothing, repeat} from '../../vendor/lit.js';
import {MONO, NUMBERS, PLAIN, logCell} from '../ui/cells.js';

/**
 * @param {object} page @param {object} answer of the log @param {import('../types.js').Column[]} columns in the reader's order
 * @param {(id: string, from: Element) => void} open
 */
export function logTable(page, answer, columns, open) {
  const at = Object.fromEntries(answer.columns.map((c, i) => [c.name, i]));
  const known = columns.filter((c) => c.name in at).map((c) => ({...c, unit: answer.columns[at[c.name]].unit}));
  const number = (c) => NUMBERS.includes(c.type) && !PLAIN.includes(c.name);
  const style = (c) => `${number(c) ? 'number' : ''} ${MONO.includes(c.name) || c.type === 'DateTime' ? 'mono' : ''}`;
  return html`<table @keydown=${onKey}><caption class="only-read">Newest first. Press the first cell of a row for its details.</caption>
    <thead><tr>${known.map((c) => html`<th scope="col" class=${number(c) ? 'number' : ''} title=${c.help}>${c.title}</th>`)}</tr></thead>
    <tbody>${repeat(
      answer.rows,
      (r) => r[at.id] + r[at.time],
      (row, place) => {
        const id = row[at.id];
        const picked = id === page.state.id;
        return html`<tr class="${picked ? 'picked' : ''} ${place < answer.fresh ? 'fresh' : ''}" @click=${(e) => open(id, e.currentTarget.querySelector('button'))}>${known.map(
          (c, i) => {
            const content = logCell(page, c, row[at[c.name]], row[at[`${c.name}_label`]], page.asOf);
            const text = typeof content === 'string' ? content : nothing;
            return html`<td class=${style(c)} title=${text}>${
              i
                ? content
                : html`<button class="open-row" data-id=${id}
              aria-current=${picked ? 'true' : nothing}>${content}</button>`
            }</td>`;
          },
        )}</tr>`;
      },
    )}</tbody></table>`;
}

/** J and K, or the arrow keys, walk the rows. */
function onKey(event) {
  const step = {j: 1, ArrowDown: 1, k: -1, ArrowUp: -1}[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
  const buttons = [...event.currentTarget.querySelectorAll('.open-row')];
  const next = buttons[buttons.indexOf(event.composedPath()[0]) + step];
  if (!next) return;
  event.preventDefault();
  event.stopPropagation();
  next.focus();
}
