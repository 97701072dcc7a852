/** `<ud-filter-editor>`: choose a dimension, then an operator and values with their counts. Emits `done` with the filter. */
import {LitElement, css, html, live, nothing} from '../../vendor/lit.js';
import {Question, valuesQuestion} from '../api.js';
import {OPERATORS} from '../catalog.js';
import {base} from '../styles.js';

const WAIT = 200;

class FilterEditor extends LitElement {
  static properties = {
    page: {attribute: false},
    subject: {},
    /** @type {?import('../types.js').Filter} the one that is edited; null for a new one */
    filter: {attribute: false},
    _dimension: {state: true},
    _op: {state: true},
    _picked: {state: true},
    _text: {state: true},
    _active: {state: true},
  };

  static styles = [
    base,
    css`
    .head, .foot { display: flex; gap: 8px; align-items: center; padding: 8px; }
    .head { border-bottom: 1px solid var(--ud-border); }
    .foot { border-top: 1px solid var(--ud-border); justify-content: flex-end; }
    .list { max-height: 300px; overflow: auto; padding: 4px; }
    .list button, .list label {
      display: flex; align-items: center; gap: 8px; width: 100%; min-height: 32px; padding: 4px 8px; border: 0; border-radius: 6px;
      background: none; font: 400 13px/20px var(--ud-font); text-align: left; cursor: pointer;
    }
    .list button:hover, .list label:hover, .list .active { background: var(--ud-hover); }
    .list button:disabled { color: var(--ud-text-3); cursor: not-allowed; }
    .list .grow { overflow-wrap: anywhere; }
    input[type="checkbox"] { width: 16px; height: 16px; accent-color: var(--ud-accent); flex: none; }
    select.field { width: auto; }
  `,
  ];

  constructor() {
    super();
    this._values = new Question(this, (data) => this._learn(data));
    this._text = '';
    this._picked = [];
    this._op = 'in';
    this._active = 0;
  }

  willUpdate(changed) {
    if (changed.has('filter') && this.filter) {
      this._dimension = this.page.catalog.dimension(this.filter.dimension);
      this._op = this.filter.op;
      this._picked = [...this.filter.values];
      this._text = this._typing ? this._picked.join(',') : '';
    }
  }

  async focus() {
    await this.updateComplete;
    this.renderRoot.querySelector('input[type=text]')?.focus();
  }

  /** Values are typed when there is no list of them: single rows, comparisons, parts of texts. */
  get _typing() {
    return !this._dimension.split || !['in', 'not_in'].includes(this._op);
  }

  render() {
    return this._dimension ? this._renderValues() : this._renderDimensions();
  }

  // --- first the dimension

  get _dimensions() {
    const {catalog, state} = this.page;
    const words = this._text.toLowerCase();
    const found = catalog
      .dimensionsOf(this.subject, state.per)
      .filter((d) => `${d.title} ${d.name}`.toLowerCase().includes(words) && d.name !== 'workspace_id');
    const key = this._text.trim().replace(/^attributes\./, '');
    const own =
      key && !found.some((d) => d.title.toLowerCase() === key.toLowerCase()) ? [catalog.dimension(`attributes.${key}`)] : [];
    return [...found, ...own].map((d) => ({...d, closed: d.workspace_only && state.scope === 'account'}));
  }

  _renderDimensions() {
    const found = this._dimensions;
    return html`
      <div class="head"><input class="field" type="text" aria-label="Filter by" placeholder="Filter by … or an attribute's key"
        spellcheck="false"
        autocomplete="off" .value=${live(this._text)}
        @input=${(e) => ([this._text, this._active] = [e.target.value, 0])} @keydown=${this._onDimensionKey}></div>
      <div class="list">${found.map(
        (d, i) => html`<button class=${i === this._active ? 'active' : ''} ?disabled=${d.closed}
        title=${d.closed ? 'Only in the workspace view.' : d.help} @click=${() => this._choose(d)}>
        <span class="grow">${d.title}</span>${
          d.name.startsWith('attributes.')
            ? html`<span
          class="muted small">attribute</span>`
            : nothing
        }</button>`,
      )}</div>`;
  }

  _onDimensionKey(event) {
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
    const found = this._dimensions;
    if (step) this._active = Math.min(found.length - 1, Math.max(0, this._active + step));
    else if (event.key === 'Enter' && found[this._active] && !found[this._active].closed) this._choose(found[this._active]);
    else return;
    event.preventDefault();
    this.updateComplete.then(() => this.renderRoot.querySelector('.active')?.scrollIntoView({block: 'nearest'}));
  }

  _choose(dimension) {
    this._dimension = dimension;
    this._text = '';
    this._picked = [];
    this._op = 'in';
    this.focus();
  }

  // --- then its values

  _renderValues() {
    const {page, _dimension: dimension} = this;
    if (!this._typing)
      this._values.ask(valuesQuestion(page, dimension.name, {subject: this.subject, q: this._asked ?? '', without: this.filter}));
    return html`
      <div class="head">
        <b class="grow">${dimension.title}</b>
        <select class="field" aria-label="Operator" .value=${this._op} @change=${(e) => this._setOp(e.target.value)}>
          ${page.catalog.operators(dimension).map(
            (op) => html`<option value=${op}
            ?selected=${op === this._op}>${OPERATORS[op]}</option>`,
          )}</select>
      </div>
      <div class="head"><input class="field" type="text" aria-label=${this._typing ? 'Value' : 'Find a value'} spellcheck="false"
        autocomplete="off"
        placeholder=${this._typing ? (this._op === 'in' || this._op === 'not_in' ? 'Values, separated by commas' : 'Value') : 'Find a value'}
        .value=${live(this._text)} @input=${this._onText} @keydown=${(e) => e.key === 'Enter' && (e.preventDefault(), this._apply())}></div>
      ${this._typing ? nothing : html`<div class="list" aria-busy=${this._values.loading}>${this._options()}</div>`}
      <div class="foot">
        ${
          this.filter
            ? nothing
            : html`<button class="button plain"
          @click=${() => ((this._dimension = null), (this._text = ''), this.focus())}>Back</button>`
        }
        <button class="button primary" ?disabled=${!this._result()} @click=${this._apply}>Apply</button>
      </div>`;
  }

  _options() {
    const {formats} = this.page;
    const {data, error, loading} = this._values;
    if (error) return html`<p class="bad">${error.message}</p>`;
    if (!data) return html`<p class="muted">${loading ? 'Loading' : ''}</p>`;
    const rows = data.rows.map(([value, label, count]) => ({value: value ?? '', label, count}));
    const others = this._text
      ? []
      : this._picked
          .filter((v) => !rows.some((r) => r.value === v))
          .map((value) => ({value, label: this.page.names.of(this._dimension.name, value) || this._dimension.absent, count: 0}));
    if (!rows.length && !others.length) return html`<p class="muted">Nothing matches. Enter takes “${this._text}” as it is.</p>`;
    return [...others, ...rows].map(
      ({value, label, count}) => html`<label><input type="checkbox" .checked=${live(this._picked.includes(value))}
      @change=${(e) => this._toggle(value, e.target.checked)}><span class="grow">${label}</span><span
        class="muted small">${formats.number(count)}</span></label>`,
    );
  }

  updated() {
    this.dispatchEvent(new CustomEvent('resized'));
  }

  _learn(data) {
    const {name} = this._dimension;
    this.page.names.learn({columns: [{name}, {name: `${name}_label`}], rows: data.rows});
  }

  _setOp(op) {
    const typing = this._typing;
    this._op = op;
    if (typing !== this._typing) this._text = '';
  }

  _onText(event) {
    this._text = event.target.value;
    if (this._typing) return;
    clearTimeout(this._timer);
    this._timer = setTimeout(() => {
      this._asked = this._text;
      this.requestUpdate();
    }, WAIT);
  }

  _toggle(value, on) {
    this._picked = on ? [...this._picked, value] : this._picked.filter((v) => v !== value);
  }

  /** The filter as it stands, or null while it says nothing. */
  _result() {
    const text = this._text.trim();
    const set = this._op === 'in' || this._op === 'not_in';
    const typed = set
      ? text
          .split(',')
          .map((v) => v.trim())
          .filter(Boolean)
      : text
        ? [text]
        : [];
    const only = !this._picked.length && text && !this._values.data?.rows.length ? [text] : this._picked;
    const values = this._typing ? typed : only;
    return values.length ? {dimension: this._dimension.name, op: this._op, values} : null;
  }

  _apply() {
    const found = this._values.data?.rows ?? [];
    if (!this._typing && !this._picked.length && this._text && found.length) this._picked = [found[0][0] ?? ''];
    const filter = this._result();
    if (filter) this.dispatchEvent(new CustomEvent('done', {detail: filter}));
  }
}
customElements.define('ud-filter-editor', FilterEditor);
