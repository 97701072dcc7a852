/** `<ud-columns>`: which columns the log shows. They keep the catalogue's order; the order in the URL is kept when it differs. */
import {LitElement, css, html, live} from '../../vendor/lit.js';
import {base} from '../styles.js';
import {follow} from '../ui/controls.js';

class Columns extends LitElement {
  static properties = {page: {attribute: false}, _shownNow: {state: true}};

  static styles = [
    base,
    css`
    :host { display: contents; }
    [popover] { width: 260px; }
    label {
      display: flex; align-items: center; gap: 8px; min-height: 28px; padding: 2px 8px; border-radius: 6px;
      font-size: 13px; cursor: pointer;
    }
    label:hover { background: var(--ud-hover); }
    input[type="checkbox"] { width: 16px; height: 16px; accent-color: var(--ud-accent); }
    form { padding: 8px; display: flex; gap: 8px; }
  `,
  ];

  get _shown() {
    return this.page.state.cols.split(',');
  }

  render() {
    return html`<div id="list" popover role="dialog" aria-label="Columns"
      @beforetoggle=${(e) => (this._shownNow = e.newState === 'open')}>${this._shownNow ? this._choices() : ''}</div>`;
  }

  _choices() {
    const {catalog, state} = this.page;
    const own = this._shown.map((name) => catalog.column(name, state)).filter((c) => c.name.startsWith('attributes.'));
    return html`${[...catalog.columnsOf(state), ...own].map(
      (c) => html`<label title=${c.help}><input type="checkbox" .checked=${live(this._shown.includes(c.name))}
        ?disabled=${this._shown.length === 1 && this._shown[0] === c.name}
        @change=${(e) => this._toggle(c.name, e.target.checked)}>${c.title}</label>`,
    )}
      <form @submit=${this._onAttribute}><input class="field" name="key" aria-label="Key of an attribute" placeholder="Key of an attribute"
        maxlength="100" pattern="[^,]+"
        spellcheck="false" autocomplete="off"><button class="button">Add</button></form>
      <form @submit=${(e) => e.preventDefault()}><button class="button plain" @click=${() =>
        this.page.go({cols: catalog.usualColumns(state)})}>Show the usual ones</button></form>`;
  }

  /** Show the choice below that button. */
  async open(button) {
    await this.updateComplete;
    const list = this.renderRoot.querySelector('#list');
    const toggled = follow(
      list,
      button,
      'end',
      () => list.querySelector('input').focus(),
      () => list.removeEventListener('toggle', toggled),
    );
    list.addEventListener('toggle', toggled);
    list.showPopover({source: button});
  }

  /** A new column goes where the catalogue has it, behind the shown one that precedes it. */
  _toggle(name, on) {
    const shown = this._shown.filter((n) => n !== name);
    if (on) {
      const order = this.page.catalog.columnsOf(this.page.state).map((c) => c.name);
      const before = order.slice(0, order.indexOf(name));
      const place = shown.findLastIndex((n) => before.includes(n));
      shown.splice(order.includes(name) ? place + 1 : shown.length, 0, name);
    }
    this.page.go({cols: shown.join()}, {replace: true});
  }

  _onAttribute(event) {
    event.preventDefault();
    const key = new FormData(event.target).get('key').trim();
    event.target.reset();
    if (key) this._toggle(`attributes.${key}`, true);
  }
}
customElements.define('ud-columns', Columns);
