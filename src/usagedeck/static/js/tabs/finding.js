/** `<ud-finding>`: how far a page of the log has been looked for, and a way to stop. Rows are shown as they are found. */
import {LitElement, css, html, nothing} from '../../vendor/lit.js';
import {Problem, patiently} from '../api.js';
import {base} from '../styles.js';

/**
 * A page of the log, and before it what was found of it so far.
 * @param {string} url @param {AbortSignal} signal @param {(answer: object) => void} partly
 */
export async function find(url, signal, partly) {
  const {body} = await patiently(url, {signal, headers: {accept: 'application/x-ndjson'}});
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let [text, last] = ['', null];
  for (let {value, done} = await reader.read(); !done; {value, done} = await reader.read()) {
    const lines = (text + value).split('\n');
    text = lines.pop();
    for (const line of lines) {
      last = JSON.parse(line);
      if (last.problem) throw new Problem(last.problem);
      if (last.reached) partly(last);
    }
  }
  if (!last || last.reached) throw new Problem({status: 0, detail: 'The answer broke off. Check the connection and try again.'});
  return last;
}

class Finding extends LitElement {
  static properties = {page: {attribute: false}, answer: {attribute: false}, going: {type: Boolean}};

  static styles = [
    base,
    css`
    .row { padding: 8px 16px; border-top: 1px solid var(--ud-border); }
    progress { width: 160px; height: 6px; accent-color: var(--ud-accent); }
  `,
  ];

  render() {
    const {answer, going, page} = this;
    const [start, end, reached] = [answer.window.start, answer.window.end, answer.reached].map(Date.parse);
    const share = (end - reached) / (end - start);
    const {formats} = page;
    const place = `${formats.day(reached)}, ${formats.clock(reached).slice(0, 5)}`;
    return html`<div class="row" role="status"><progress max="1" .value=${share} aria-label="Searched"></progress>
      <span class="muted grow">${going ? `Searched back to ${place} …` : `Stopped at ${place}. “Older” goes on from there.`}</span>
      ${going ? html`<button class="button" @click=${() => this.dispatchEvent(new CustomEvent('stop'))}>Stop</button>` : nothing}</div>`;
  }
}
customElements.define('ud-finding', Finding);
