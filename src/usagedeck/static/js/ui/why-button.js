/** The way to why a metric changed: a button, and the panel, which is loaded when it is opened. */
import {html, nothing} from '../../vendor/lit.js';

/** Nothing where no value has a part in a change. @param host the element that shows the panel, too */
export const whyButton = (host, {name, title, attributable}) =>
  attributable
    ? html`<button class="button plain tiny" data-why=${name}
  aria-expanded=${host.page.state.why === name} @click=${async () => {
    const open = host.page.state.why !== name;
    host.page.go({why: open ? name : '', wby: ''});
    if (!open) return;
    await Promise.all([import('../tabs/why.js'), host.updateComplete]);
    host.renderRoot.querySelector('ud-why')?.enter();
  }}>Why?<span class="only-read"> What changed ${title}</span></button>`
    : nothing;

export function whyPanel(page) {
  if (!page.state.why) return nothing;
  import('../tabs/why.js');
  return html`<ud-why .page=${page}></ud-why>`;
}
