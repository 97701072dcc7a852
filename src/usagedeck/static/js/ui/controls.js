/** `<ud-menu>`, a button that opens a listbox, and `<ud-segments>`, a segmented control; both emit `pick`. And where popovers stand. */
import {LitElement, css, html, live, nothing} from '../../vendor/lit.js';
import {base} from '../styles.js';

const GAP = 4;
const EDGE = 8;

/** Place an open popover and show it. */
export function place(popover, anchor, align = 'start') {
  const {left, right, top, bottom} = anchor.getBoundingClientRect();
  const {clientWidth: width, clientHeight: height} = document.documentElement;
  popover.style.maxHeight = '';
  const [w, h] = [popover.offsetWidth, popover.offsetHeight];
  const below = height - bottom - GAP - EDGE;
  const up = h > below && top > below;
  const room = up ? top - GAP - EDGE : below;
  popover.style.maxHeight = `${Math.max(120, room)}px`;
  const x = align === 'end' ? right - w : left;
  popover.style.left = `${Math.max(EDGE, Math.min(x, width - w - EDGE))}px`;
  popover.style.top = `${up ? Math.max(EDGE, top - GAP - Math.min(h, room)) : bottom + GAP}px`;
  popover.classList.add('placed');
}

/**
 * Keeps a popover beside its anchor while it is open: attach as the handler of `toggle`.
 * @param {() => void} opened called after it was placed @param {() => void} closed
 */
export function follow(popover, anchor, align, opened = () => {}, closed = () => {}) {
  const move = () => place(popover, anchor, align);
  return async (event) => {
    if (event.newState === 'open') {
      await new Promise(requestAnimationFrame);
      move();
      addEventListener('scroll', move, true);
      addEventListener('resize', move);
      opened();
    } else {
      popover.classList.remove('placed');
      removeEventListener('scroll', move, true);
      removeEventListener('resize', move);
      closed();
    }
  };
}

// --- the menu

/** @typedef {import('../types.js').Item} Item */

class Menu extends LitElement {
  static properties = {
    label: {},
    /** Read out, but not written on the button. */
    quiet: {type: Boolean},
    /** Written on the button instead of the picked title. */
    text: {},
    kind: {},
    align: {},
    /** @type {Item[]} */
    items: {attribute: false},
    value: {},
    search: {type: Boolean},
    /** Makes an item of whatever was typed. @type {((text: string) => Item | null) | null} */
    free: {attribute: false},
    _open: {state: true},
    _active: {state: true},
    _typed: {state: true},
  };

  static styles = [
    base,
    css`
    :host { display: inline-block; min-width: 0; max-width: 100%; }
    [role="listbox"] { outline: none; min-width: 200px; max-width: 340px; text-align: start; }
    [role="option"] {
      display: flex; align-items: center; gap: 12px; min-height: 32px; padding: 4px 10px; border-radius: 6px;
      font-size: 13px; cursor: pointer;
    }
    [role="option"].active { background: var(--ud-hover); }
    [role="option"][aria-selected="true"] { color: var(--ud-accent-2); background: var(--ud-accent-soft); font-weight: 500; }
    [role="option"][aria-selected="true"].active { box-shadow: inset 0 0 0 2px var(--ud-focus); }
    [role="option"][aria-disabled="true"] { color: var(--ud-text-3); cursor: not-allowed; }
    [role="option"] > :first-child { flex: 1; min-width: 0; overflow-wrap: anywhere; }
    .group { padding: 8px 10px 2px; color: var(--ud-text-3); font: 500 12px/16px var(--ud-font); }
    input { margin-bottom: 4px; }
    :host([kind="dots"]) .button {
      min-height: 24px; min-width: 24px; padding: 0; justify-content: center; border-color: transparent;
      background: none;
    }
    :host([kind="dots"]) .button:hover { background: var(--ud-surface-2); }
    @media (pointer: coarse) { [role="option"] { min-height: 44px; } }
  `,
  ];

  constructor() {
    super();
    this.items = [];
    this._open = false;
    this._active = 0;
    this._typed = '';
    this._ahead = '';
  }

  get _shown() {
    const words = this._typed.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.items.filter((i) => words.every((w) => `${i.title} ${i.value}`.toLowerCase().includes(w)));
    const own = this._typed.trim() && this.free?.(this._typed.trim());
    return own && !found.some((i) => i.value === own.value) ? [...found, own] : found;
  }

  render() {
    const picked = this.items.find((i) => i.value === this.value) ?? (this.value && this.free?.(this.value));
    const text = this.text ?? picked?.title ?? this.value;
    return html`
      <button class="button" popovertarget="list" aria-haspopup="listbox" aria-expanded=${this._open} @keydown=${this._onButtonKey}
        aria-label=${this.kind === 'dots' ? this.label : nothing}>
        ${
          this.kind === 'dots'
            ? '⋯'
            : html`<span class=${this.quiet ? 'only-read' : 'soft'}>${this.label}</span>
          <span class="cut">${text}</span><span aria-hidden="true">▾</span>`
        }
      </button>
      <div id="list" popover @beforetoggle=${this._onBefore}>${this._open ? this._list() : nothing}</div>`;
  }

  _list() {
    const items = this._shown;
    const active = items[this._active] ? `item-${this._active}` : nothing;
    let group;
    return html`
      ${
        this.search
          ? html`<input class="field" type="text" role="combobox" aria-expanded="true" aria-controls="options" aria-autocomplete="list"
        aria-label="Find in ${this.label}" aria-activedescendant=${active} placeholder="Find" spellcheck="false" autocomplete="off"
        .value=${live(this._typed)} @input=${this._onTyped} @keydown=${this._onListKey}>`
          : nothing
      }
      <div id="options" role="listbox" aria-label=${this.label} tabindex=${this.search ? -1 : 0}
        aria-activedescendant=${this.search ? nothing : active}
        @keydown=${this._onListKey}>
        ${items.map((item, i) => {
          const head =
            item.group && item.group !== group ? html`<div class="group" role="presentation">${item.group}</div>` : nothing;
          group = item.group;
          return html`${head}<div id="item-${i}" role="option" class=${i === this._active ? 'active' : ''}
            aria-selected=${item.value === this.value}
            aria-disabled=${item.reason ? 'true' : nothing} title=${item.reason ?? nothing} @click=${() => this._pick(item)}
            @pointermove=${() => (this._active = i)}><span>${item.title}${
              item.reason
                ? html`<br><span
              class="small">${item.reason}</span>`
                : nothing
            }</span>
            ${item.hint ? html`<span class="muted small">${item.hint}</span>` : nothing}</div>`;
        })}
        ${items.length ? nothing : html`<div class="group" role="option" aria-disabled="true" aria-selected="false">Nothing matches.</div>`}
      </div>`;
  }

  firstUpdated() {
    const list = this.renderRoot.querySelector('#list');
    const button = this.renderRoot.querySelector('button');
    list.addEventListener(
      'toggle',
      follow(
        list,
        button,
        this.align,
        () => {
          list.querySelector('input, [role=listbox]').focus();
          this._reveal();
        },
        () => {
          if (this.renderRoot.activeElement && list.contains(this.renderRoot.activeElement)) button.focus();
        },
      ),
    );
  }

  /** Open it, as a shortcut does. */
  open() {
    this.renderRoot.querySelector('#list').showPopover({source: this.renderRoot.querySelector('button')});
  }

  _close() {
    this.renderRoot.querySelector('#list').hidePopover();
    this.renderRoot.querySelector('button').focus();
  }

  _onBefore(event) {
    this._open = event.newState === 'open';
    this._typed = '';
    this._active = Math.max(
      0,
      this.items.findIndex((i) => i.value === this.value),
    );
  }

  _onTyped(event) {
    this._typed = event.target.value;
    this._active = 0;
  }

  _pick(item) {
    if (!item || item.reason) return;
    this._close();
    this.dispatchEvent(new CustomEvent('pick', {detail: item.value}));
  }

  _onButtonKey(event) {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    event.preventDefault();
    this.open();
  }

  _onListKey(event) {
    const last = this._shown.length - 1;
    const moves = {ArrowDown: this._active + 1, ArrowUp: this._active - 1, PageDown: this._active + 8, PageUp: this._active - 8};
    if (!this.search) Object.assign(moves, {Home: 0, End: last});
    if (event.key in moves) this._active = Math.min(last, Math.max(0, moves[event.key]));
    else if (event.key === 'Enter' || (event.key === ' ' && !this.search)) this._pick(this._shown[this._active]);
    else if (!this.search && event.key.length === 1 && !event.ctrlKey && !event.metaKey) this._typeAhead(event.key);
    else return;
    event.preventDefault();
    event.stopPropagation();
    this._reveal();
  }

  _typeAhead(key) {
    clearTimeout(this._timer);
    this._ahead += key.toLowerCase();
    this._timer = setTimeout(() => (this._ahead = ''), 600);
    const found = this._shown.findIndex((i) => i.title.toLowerCase().startsWith(this._ahead));
    if (found >= 0) this._active = found;
  }

  async _reveal() {
    await this.updateComplete;
    this.renderRoot.querySelector('.active')?.scrollIntoView({block: 'nearest'});
  }
}
customElements.define('ud-menu', Menu);

// --- the segmented control

class Segments extends LitElement {
  static properties = {
    label: {},
    /** @type {{value: string, title: string, reason?: string}[]} */
    items: {attribute: false},
    value: {},
  };

  static styles = [
    base,
    css`
    :host { display: inline-block; max-width: 100%; }
    div {
      display: flex; padding: 1px; border: 1px solid var(--ud-border); border-radius: 9px;
      background: var(--ud-surface-2); overflow-x: auto;
    }
    button {
      min-height: 28px; padding: 0 11px; border: 0; border-radius: 7px; background: none; color: var(--ud-text-2);
      font: 400 13px/20px var(--ud-font); white-space: nowrap; cursor: pointer;
    }
    button:hover { color: var(--ud-text); }
    button[aria-checked="true"] {
      background: light-dark(var(--ud-surface), var(--ud-bg)); color: var(--ud-text); font-weight: 600;
      box-shadow: 0 0 0 1px var(--ud-border);
    }
    button[aria-disabled="true"] { color: var(--ud-text-3); cursor: not-allowed; text-decoration: line-through; }
    button:focus-visible { outline-offset: -2px; }
    @media (pointer: coarse) { button { min-height: 44px; } }
    @media (forced-colors: active) { button[aria-checked="true"] { outline: 2px solid Highlight; outline-offset: -2px; } }
  `,
  ];

  constructor() {
    super();
    this.items = [];
  }

  render() {
    const checked = this.items.some((i) => i.value === this.value) ? this.value : this.items[0]?.value;
    return html`<div role="radiogroup" aria-label=${this.label} @keydown=${this._onKey}>
      ${this.items.map(
        ({
          value,
          title,
          reason,
        }) => html`<button role="radio" aria-checked=${value === this.value} tabindex=${value === checked ? 0 : -1}
        aria-disabled=${reason ? 'true' : nothing} title=${reason ?? nothing} aria-description=${reason ?? nothing}
        @click=${() => this._pick(value, reason)}>${title}</button>`,
      )}
    </div>`;
  }

  _pick(value, reason) {
    if (!reason && value !== this.value) this.dispatchEvent(new CustomEvent('pick', {detail: value}));
  }

  _onKey(event) {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const buttons = [...this.renderRoot.querySelectorAll('button')];
    const at = buttons.indexOf(this.renderRoot.activeElement);
    const next = (at + step + buttons.length) % buttons.length;
    buttons[next].focus();
    this._pick(this.items[next].value, this.items[next].reason);
  }
}
customElements.define('ud-segments', Segments);
