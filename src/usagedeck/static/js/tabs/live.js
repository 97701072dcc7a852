/** `<ud-live>`: follows the log while it is on the page. It holds new rows back while somebody reads, and says what it is doing.
 *
 * Events: `fresh` with rows, newest first; `top` when the reader wants to see them; `stale` when the page must be asked anew. */
import {LitElement, css, html, nothing} from '../../vendor/lit.js';
import {call} from '../api.js';
import {tailQuestion} from '../questions.js';
import {base} from '../styles.js';

const WAITS = [1, 2, 5, 10];
/** Seconds without a sign of life (there is one every five) after which the connection is given up. */
const SILENCE = 20;
const SAID_EVERY = 10_000;
/** Milliseconds before what matches is counted again, at least; it takes a tenth of the time at most. */
const CALM = 5000;
/** Rows that are held back; of more, the oldest are dropped, since the page shows no more. */
export const MOST = 500;

/** The events of a stream. @returns {AsyncGenerator<{event: string, id: string, data: object}>} */
async function* eventsOf(body, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    alive();
    text += value;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const {data, ...rest} = Object.fromEntries(lines.map((line) => [line.split(':', 1)[0], line.slice(line.indexOf(':') + 2)]));
      yield {...rest, data: JSON.parse(data)};
    }
  }
}

class Live extends LitElement {
  static properties = {
    page: {attribute: false},
    columns: {attribute: false},
    place: {attribute: false},
    hold: {attribute: false},
    /** Counts what matches anew. @type {() => Promise<void>} */
    recount: {attribute: false},
    _status: {state: true},
    _held: {state: true},
    _leftOut: {state: true},
    _said: {state: true},
  };

  static styles = [
    base,
    css`
    :host { display: inline-flex; align-items: center; gap: 8px; }
    .dot { width: 8px; height: 8px; border-radius: 50%; background: var(--ud-text-2); }
    .open .dot { background: var(--ud-ok); }
    .status { display: inline-flex; align-items: center; gap: 6px; }
    @media (prefers-reduced-motion: no-preference) {
      .open .dot { animation: breathe 2s ease-in-out infinite; }
      @keyframes breathe { 50% { opacity: 0.35; } }
    }
    @media (forced-colors: active) { .dot { forced-color-adjust: none; } }
  `,
  ];

  constructor() {
    super();
    this._status = 'connecting';
    this._held = [];
    this._leftOut = 0;
    this._said = '';
    this._unsaid = 0;
  }

  get _url() {
    return tailQuestion(this.page, this.columns);
  }

  connectedCallback() {
    super.connectedCallback();
    this._saying = setInterval(() => this._say(), SAID_EVERY);
    this._following = null;
    this.requestUpdate();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this._saying);
    this._stop();
  }

  willUpdate() {
    const key = `${this._url} ${this.place}`;
    if (key !== this._following) {
      this._following = key;
      this._held = [];
      this._leftOut = 0;
      this._follow();
    } else if (!this.hold && this._held.length) this._release();
  }

  render() {
    const {formats} = this.page;
    const left = this._leftOut;
    const text = {
      connecting: 'Connecting…',
      open: 'Following',
      again: 'Connection lost, trying again…',
      over: this._why,
    }[this._status];
    return html`<span class="status muted ${this._status}" data-status=${this._status}><span class="dot"></span>${text}${
      left ? html` <span title="More rows arrive than can be read; some are left out here. The log has them all.">· ${formats.number(left)} left out</span>` : nothing
    }</span>${
      this._held.length
        ? html`<button class="button tiny" @click=${this._onShow}>${this._held.length === MOST ? `${MOST}+` : this._held.length} new</button>`
        : nothing
    }<span class="only-read" role="status">${this._said}</span>`;
  }

  // --- the connection

  _stop() {
    this._abort?.abort();
    clearTimeout(this._silence);
  }

  async _follow() {
    this._stop();
    const abort = new AbortController();
    this._abort = abort;
    this._status = 'connecting';
    let {place} = this;
    for (let tries = 0; !abort.signal.aborted; tries++) {
      let wait = WAITS[Math.min(tries, WAITS.length - 1)];
      const cut = new AbortController();
      const leave = () => cut.abort();
      abort.signal.addEventListener('abort', leave, {once: true});
      const alive = () => {
        clearTimeout(this._silence);
        this._silence = setTimeout(leave, SILENCE * 1000);
      };
      try {
        alive();
        const headers = {accept: 'text/event-stream'};
        const response = await call(`${this._url}&after=${place}`, {signal: cut.signal, headers});
        for await (const {event, id, data} of eventsOf(response.body, alive)) {
          place = id;
          tries = 0;
          this._status = 'open';
          if (event === 'rows') this._take(data);
          if (event === 'end' && data.status !== 503) throw Object.assign(new Error(data.detail), data);
        }
      } catch (problem) {
        if (abort.signal.aborted) return;
        if (problem.status === 401) {
          this.dispatchEvent(new CustomEvent('ud-signed-out', {bubbles: true, composed: true}));
          return;
        }
        if (problem.code?.startsWith('place_')) {
          this.dispatchEvent(new CustomEvent('stale'));
          return;
        }
        if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) {
          this._why = problem.message;
          this._status = 'over';
          return;
        }
        if (problem.status === 429) wait = problem.retryAfter || wait;
      } finally {
        abort.signal.removeEventListener('abort', leave);
        clearTimeout(this._silence);
      }
      if (abort.signal.aborted) return;
      this._status = 'again';
      await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    }
  }

  // --- rows

  _take({rows, left_out: leftOut}) {
    this._leftOut += leftOut;
    this._unsaid += rows.length + leftOut;
    this._held = [...rows.toReversed(), ...this._held].slice(0, MOST);
  }

  _release() {
    const rows = this._held;
    this._held = [];
    this.dispatchEvent(new CustomEvent('fresh', {detail: rows}));
    this._count();
  }

  async _count() {
    this._uncounted = true;
    if (this._counting) return;
    this._counting = true;
    while (this._uncounted && this.isConnected) {
      this._uncounted = false;
      const begun = Date.now();
      await this.recount();
      const calm = Math.max(CALM, 9 * (Date.now() - begun));
      await new Promise((resolve) => setTimeout(resolve, calm));
    }
    this._counting = false;
  }

  _onShow() {
    this._release();
    this.dispatchEvent(new CustomEvent('top'));
  }

  /** How many came, now and then: never row by row. */
  _say() {
    if (!this._unsaid) return;
    this._said = `${this.page.formats.number(this._unsaid)} new ${this._unsaid === 1 ? 'row' : 'rows'}`;
    this._unsaid = 0;
  }
}
customElements.define('ud-live', Live);
