/** The states every card and table has: nothing yet, working, failed, answered. */
import {html, nothing} from '../../vendor/lit.js';

/** What went wrong and what to do, with the id that names the request in the server's log. */
export const problemNote = (problem, retry) => html`<div class="alert row" role="alert">
  <span class="grow">${problem.message}${
    problem.requestId
      ? html` <span
    class="small">Request <code>${problem.requestId}</code></span>`
      : nothing
  }</span>
  <button class="button" @click=${retry}>Retry</button></div>`;

/**
 * The body of a card: old data stays, dimmed, while new data comes.
 * @param {import('../api.js').Question[]} questions the first one is the main one
 * @param {number} height of the skeleton
 * @param {() => unknown} content only called when the main question has an answer
 */
export function cardBody(questions, height, content) {
  const [main] = questions;
  const failed = questions.find((q) => q.error);
  const loading = questions.some((q) => q.loading);
  return html`
    ${loading && main.data ? html`<div class="progress"></div>` : nothing}
    ${failed ? problemNote(failed.error, () => questions.filter((q) => q.error).forEach((q) => q.retry())) : nothing}
    <div class=${loading && main.data && !main.partial ? 'busy' : ''} aria-busy=${loading}>
      ${main.data ? content() : loading ? waiting(main.slow, height) : nothing}
    </div>`;
}

/** Room of the final height, so that nothing moves when the answer comes; visibly so only when that takes a while. */
const waiting = (slow, height) =>
  html`<div class=${slow ? 'skeleton' : ''} .style=${`height:${height}px`}><span class="only-read">Loading</span></div>`;

/** Nothing matches: say so, and offer the ways out. */
export function nothingMatches(page, what) {
  const {f, q} = page.state;
  const count = f.length + (q ? 1 : 0);
  const filters = count === 1 ? 'this filter' : `these ${count} filters`;
  const widen = {'1h': '24h', '24h': '7d', '7d': '30d'}[page.state.r] ?? '12mo';
  const title = {'24h': '24 hours', '7d': '7 days', '30d': '30 days', '12mo': '12 months'}[widen];
  return html`<div class="state">
    <p>${count ? `No ${what} match ${filters} in this range.` : `There are no ${what} in this range.`}</p>
    <div class="row">
      ${count ? html`<button class="button" @click=${() => page.go({f: [], q: ''})}>Clear filters</button>` : nothing}
      ${page.state.r === widen ? nothing : html`<button class="button" @click=${() => page.go({r: widen})}>Widen to ${title}</button>`}
    </div></div>`;
}
