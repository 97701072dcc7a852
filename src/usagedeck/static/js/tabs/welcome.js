/** `<ud-welcome>`: what a workspace shows that has never received anything: how to send the first event, which it waits for. */
import {LitElement, css, html, nothing} from '../../vendor/lit.js';
import {anythingQuestion, get} from '../api.js';
import {base} from '../styles.js';
import {copyButton} from '../ui/copy.js';

/** Names the reader: an event is theirs who it names, not theirs who sent it. */
const example = ({user}) => `curl -X POST ${location.origin}/v1/events \\
  -H "xi-api-key: $API_KEY" -H "content-type: application/json" \\
  -d '{"method": "POST", "path": "/v1/text-to-speech", "status": 200, "duration_ms": 240, "credits": 12, "user_id": "${user.id}"}'`;

const LOOK_EVERY = 3000;

class Welcome extends LitElement {
  static properties = {page: {attribute: false}};

  static styles = [
    base,
    css`
    :host { margin-top: 16px; }
  `,
  ];

  connectedCallback() {
    super.connectedCallback();
    this._timer = setInterval(() => document.hidden || this._look(), LOOK_EVERY);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this._timer);
  }

  async _look() {
    const {page} = this;
    const now = Object.assign(Object.create(page), {asOf: page.clock()});
    const {rows} = await get(anythingQuestion(now)).catch(() => ({rows: []})); // it looks again
    if (rows.length && page === this.page && this.isConnected) page.refresh();
  }

  render() {
    const {page} = this;
    const text = example(page.me);
    return html`<section class="card">
      <h2>No requests yet</h2>
      <div class="state">
        <p>Usage, analytics and the request log fill as soon as your API, or the middleware in front of it, sends its first event.
          This page is waiting for it:</p>
        <pre class="code" tabindex="0" aria-label="Example">${text}</pre>
        <div class="row">${copyButton(text, 'Copy')}
          ${page.me.areas.keys ? nothing : html`<a class="button" href=${page.href({tab: 'keys'})}>Make an API key</a>`}
          <a class="button" href="/docs">Read the reference</a></div>
      </div></section>`;
  }
}
customElements.define('ud-welcome', Welcome);
