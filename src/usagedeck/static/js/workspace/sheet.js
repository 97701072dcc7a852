/** A dialog that asks before something is done, or for what is needed to do it. It says what went wrong and stays open then. */
import {css, html, nothing} from '../../vendor/lit.js';

export const sheetStyles = css`
  dialog {
    width: min(520px, calc(100vw - 32px)); padding: 20px; border: 1px solid var(--ud-border); border-radius: 12px;
    background: var(--ud-surface); color: var(--ud-text); box-shadow: var(--ud-shadow); font: 14px/20px var(--ud-font);
  }
  dialog::backdrop { background: #0008; }
  dialog form { display: grid; gap: 12px; }
  dialog label, .fields label { display: grid; gap: 4px; font-size: 13px; color: var(--ud-text-2); }
  dialog fieldset, .fields fieldset { min-width: 0; margin: 0; padding: 0; border: 0; display: grid; gap: 4px; }
  dialog legend, .fields legend { padding: 0; font-size: 13px; color: var(--ud-text-2); }
  label.tick { display: flex; gap: 8px; align-items: flex-start; min-height: 24px; color: var(--ud-text); }
  label.tick input { flex: none; width: 16px; height: 16px; margin: 2px 0 0; accent-color: var(--ud-accent); }
  label.tick[aria-disabled="true"] { color: var(--ud-text-3); }
  .ticks { max-height: 200px; overflow: auto; padding: 4px; border: 1px solid var(--ud-border); border-radius: 8px; }
  textarea.field { padding: 6px 10px; min-height: 64px; resize: vertical; }
  dialog .row.last { justify-content: flex-end; margin-top: 4px; }
  .secret { display: grid; gap: 8px; }
  .secret code { padding: 8px 10px; border-radius: 8px; background: var(--ud-surface-2); overflow-wrap: anywhere; user-select: all; }
  .button.danger { background: var(--ud-err); border-color: var(--ud-err); color: light-dark(#ffffff, #0e1014); }
  .field[aria-invalid="true"] { border-color: var(--ud-err); box-shadow: 0 0 0 1px var(--ud-err); }
`;

/**
 * @typedef {object} Asked
 * @property {string} title
 * @property {() => unknown} body
 * @property {string} action    what the button says
 * @property {boolean} [danger]
 * @property {boolean} [told]   there is nothing to decide: no way but onwards
 * @property {(values: FormData) => Promise<?Asked>} act   may answer with what is asked next
 */

export class Sheet {
  /** @param host the element in which it is rendered */
  constructor(host) {
    this.host = host;
    host.addController(this);
    this._asked = null;
  }

  /** @param {Asked} asked */
  open(asked) {
    Object.assign(this, {_asked: asked, _problem: null, _busy: false});
    this.host.requestUpdate();
  }

  hostUpdated() {
    const dialog = this._dialog;
    if (dialog && !dialog.open) dialog.showModal();
  }

  get _dialog() {
    return this.host.renderRoot.querySelector('dialog');
  }

  render() {
    if (!this._asked) return nothing;
    const {title, body, action, danger, told} = this._asked;
    return html`<dialog aria-labelledby="sheet-title" @close=${this._onClosed} @keydown=${this._onKey}>
      <form @submit=${this._onSubmit} @input=${this._onInput}>
        <h2 id="sheet-title">${title}</h2>
        ${this._problem ? html`<div class="alert" role="alert">${this._problem.message}</div>` : nothing}
        ${body()}
        <div class="row last">
          ${told ? nothing : html`<button type="button" class="button" @click=${() => this._dialog.close()}>Cancel</button>`}
          <button class="button ${danger ? 'danger' : 'primary'}" ?disabled=${this._busy}>${action}</button></div>
      </form></dialog>`;
  }

  _onClosed = () => {
    this._asked = null;
    this.host.requestUpdate();
  };

  /** Keys pressed here are nobody else's. */
  _onKey = (event) => event.stopPropagation();

  _onInput = (event) => event.target.removeAttribute('aria-invalid');

  _onSubmit = async (event) => {
    event.preventDefault();
    const form = event.target;
    Object.assign(this, {_busy: true, _problem: null});
    this.host.requestUpdate();
    try {
      const next = await this._asked.act(new FormData(form));
      if (next) {
        form.reset();
        this.open(next);
      } else this._dialog?.close();
    } catch (problem) {
      this._problem = problem;
      if (problem.status === 401) this.host.dispatchEvent(new CustomEvent('ud-signed-out', {bubbles: true, composed: true}));
      const field = problem.field && form.elements.namedItem(problem.field);
      field?.setAttribute?.('aria-invalid', 'true');
      field?.focus?.();
    }
    this._busy = false;
    this.host.requestUpdate();
  };
}

/** A question before something that cannot be undone, or that others feel. */
export const confirmation = (title, text, action, act) => ({title, body: () => html`<p>${text}</p>`, action, danger: true, act});
