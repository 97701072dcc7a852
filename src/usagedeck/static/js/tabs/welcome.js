/** `<ud-welcome>`: what a workspace shows that has never received anything: how to send the first event. */
import {LitElement, css, html} from '../../vendor/lit.js';
import {base} from '../styles.js';
import {copyButton} from '../ui/copy.js';

const example = () => `curl -X POST ${location.origin}/v1/events \\
  -H "xi-api-key: $API_KEY" -H "content-type: application/json" \\
  -d '{"method": "POST", "path": "/v1/text-to-speech", "status": 200, "duration_ms": 240, "credits": 12}'`;

class Welcome extends LitElement {
  static styles = [
    base,
    css`
    :host { margin-top: 16px; }
  `,
  ];

  render() {
    return html`<section class="card">
      <h2>No requests yet</h2>
      <div class="state">
        <p>Usage, analytics and the request log fill as soon as your API, or the middleware in front of it, sends its first event:</p>
        <pre class="code" tabindex="0" aria-label="Example">${example()}</pre>
        <div class="row">${copyButton(example(), 'Copy')} <a class="button" href="/docs">Read the reference</a></div>
        <p class="muted">To look around first, stop this server and run <code>usagedeck demo</code>:
          it fills a workspace of its own with lifelike traffic.</p>
      </div></section>`;
  }
}
customElements.define('ud-welcome', Welcome);
