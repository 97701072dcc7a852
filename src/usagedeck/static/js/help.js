/** `<ud-help>`: the keyboard map, and the switch that turns single keys off. */
import {LitElement, css, html} from '../vendor/lit.js';
import {keep, recall} from './state.js';
import {base} from './styles.js';

const KEYS = [
  ['1 2 3', 'Usage, Analytics, Request log'],
  ['F', 'Add a filter'],
  ['/', 'Search the log'],
  ['L', 'In the log: follow new rows'],
  ['E', 'Export CSV'],
  ['V', 'Chart or table'],
  ['R', 'Refresh'],
  ['?', 'This list'],
  ['← →', 'In a chart: read the buckets'],
  ['↑ ↓', 'In a chart: one series; in the log: rows'],
  ['Enter', 'In a chart: keep a bucket open'],
  ['J K', 'In the log and its details: next, previous row'],
  ['C', 'In the details: copy as cURL'],
  ['Esc', 'Close what is open'],
];

class Help extends LitElement {
  static properties = {_on: {state: true}};

  static styles = [
    base,
    css`
    dialog {
      width: min(440px, calc(100vw - 32px)); padding: 20px; border: 1px solid var(--ud-border); border-radius: 12px;
      background: var(--ud-surface); color: var(--ud-text); box-shadow: var(--ud-shadow);
    }
    dialog::backdrop { background: #0008; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 16px; margin: 12px 0; font-size: 13px; }
    label { display: flex; gap: 8px; align-items: center; min-height: 32px; font-size: 13px; }
    input { width: 16px; height: 16px; accent-color: var(--ud-accent); }
  `,
  ];

  constructor() {
    super();
    this._on = recall('shortcuts') !== 'off';
  }

  open() {
    this.renderRoot.querySelector('dialog').showModal();
  }

  render() {
    return html`<dialog aria-labelledby="title"><h2 id="title">Keyboard</h2>
      <dl>${KEYS.map(([keys, what]) => html`<dt><kbd>${keys}</kbd></dt><dd>${what}</dd>`)}</dl>
      <label><input type="checkbox" .checked=${this._on} @change=${this._onSwitch}> Single keys act</label>
      <button class="button" @click=${(e) => e.target.closest('dialog').close()}>Close</button></dialog>`;
  }

  _onSwitch(event) {
    this._on = event.target.checked;
    keep('shortcuts', this._on ? 'on' : 'off');
  }
}
customElements.define('ud-help', Help);
