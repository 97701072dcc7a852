/** Amounts as a small line inside a table. */
import {html, svg} from '../../vendor/lit.js';

const [WIDTH, HEIGHT] = [96, 24];

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
