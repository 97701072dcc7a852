/** `<ud-more>`: ways to more or fewer series than are shown. */
import {LitElement, html, nothing} from '../../vendor/lit.js';
import {base} from '../styles.js';

const FEW = 8;
const MORE = 20;
const MOST = 200;

class More extends LitElement {
  static properties = {page: {attribute: false}, rows: {attribute: false}};

  static styles = base;

  render() {
    const {page, rows} = this;
    const top = Number(page.state.top);
    const rest = Number(/\((\d+)\)$/.exec(rows.find((r) => r.other)?.label ?? '')?.[1] ?? 0);
    const to = (count, title) =>
      html`<button class="button plain tiny" @click=${() => page.go({top: String(count)})}>${title}</button>`;
    return html`<div class="row">
      ${rest && top < MORE && top + rest > MORE ? to(MORE, `Show ${MORE}`) : nothing}
      ${rest && top < MOST ? to(Math.min(MOST, Math.max(MORE, top + rest)), top + rest > MOST ? `Show ${MOST}` : 'Show all') : nothing}
      ${top > FEW ? to(FEW, `Show ${FEW}`) : nothing}</div>`;
  }
}
customElements.define('ud-more', More);
