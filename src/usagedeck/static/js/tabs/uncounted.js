/** `<ud-uncounted>`: stands where matches over time would, when counting them takes long, with a button that has it done. */
import {LitElement, css, html} from '../../vendor/lit.js';
import {base} from '../styles.js';

class Uncounted extends LitElement {
  static properties = {page: {attribute: false}, costly: {attribute: false}};

  static styles = [base, css`.row { min-height: 96px; justify-content: center; }`];

  render() {
    const {formats, state} = this.page;
    return html`<div class="row"><span class="muted">To count all matches, about ${formats.compact(this.costly)} ${state.of} have to be
      searched.</span><button class="button" @click=${() => this.dispatchEvent(new CustomEvent('count'))}>Count all matches</button></div>`;
  }
}
customElements.define('ud-uncounted', Uncounted);
