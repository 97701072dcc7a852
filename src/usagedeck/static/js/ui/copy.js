/** Copying, with a word that it worked. */
import {html} from '../../vendor/lit.js';

/** Put text on the clipboard and say so on the button; where the browser forbids it, select-and-copy is named as the way. */
export async function copy(text, button) {
  const label = button.querySelector('.said') ?? button;
  const before = label.dataset.before ?? label.textContent;
  label.dataset.before = before;
  try {
    await navigator.clipboard.writeText(text);
    label.textContent = 'Copied';
  } catch {
    label.textContent = 'Copying is blocked here';
  }
  setTimeout(() => {
    label.textContent = before;
  }, 1500);
}

export const copyButton = (
  text,
  title,
  kind = '',
) => html`<button class="button ${kind}" @click=${(e) => copy(text, e.currentTarget)}><span
  class="said" aria-live="polite">${title}</span></button>`;
