/** `<ud-exchange>`: one side of what was sent and what came back: headers and body, and what was taken out or cut off. */
import {LitElement, css, html, nothing} from '../vendor/lit.js';
import {MARK} from './curl.js';
import {base} from './styles.js';
import {copyButton} from './ui/copy.js';

class Exchange extends LitElement {
  static properties = {page: {attribute: false}, name: {}, side: {attribute: false}, none: {}};

  static styles = [
    base,
    css`
    section { margin-bottom: 16px; }
    h3 { margin-bottom: 6px; }
    details { margin-bottom: 6px; border: 1px solid var(--ud-border); border-radius: 8px; }
    summary { padding: 6px 10px; cursor: pointer; font-size: 13px; overflow-wrap: anywhere; }
    summary:focus-visible { outline: 2px solid var(--ud-focus); outline-offset: 1px; border-radius: 8px; }
    details > div { padding: 0 10px 10px; }
    table { font-size: 12px; table-layout: fixed; }
    th, td { padding: 3px 6px; vertical-align: top; overflow-wrap: anywhere; }
    tbody th { width: 38%; color: var(--ud-text-3); }
    pre.code { max-height: 420px; overflow: auto; margin-top: 6px; }
    mark { padding: 0 4px; border-radius: 4px; background: var(--ud-warn-soft); color: var(--ud-warn); }
  `,
  ];

  render() {
    const {name, side, none} = this;
    return html`<section><h3>${name}</h3>
      ${
        side
          ? html`${side.headers.length ? this._headers() : nothing}${this._body()}${this._notes()}`
          : html`<p class="small muted">${none}</p>`
      }</section>`;
  }

  _headers() {
    const {name, side} = this;
    const text = side.headers.map(([n, v]) => `${n}: ${v}`).join('\n');
    return html`<details><summary>Headers <span class="muted">(${side.headers.length})</span></summary><div>
      <table><caption class="only-read">Headers of the ${name.toLowerCase()}</caption>
        <thead class="only-read"><tr><th scope="col">Name</th><th scope="col">Value</th></tr></thead>
        <tbody>${side.headers.map(
          ([n, v]) => html`<tr><th scope="row" class="mono">${marked(n)}</th><td class="mono">${marked(v) || '—'}</td></tr>`,
        )}</tbody></table>
      <div class="row">${copyButton(text, 'Copy headers', 'tiny')}</div></div></details>`;
  }

  _body() {
    const {name, side} = this;
    const {formats} = this.page;
    if (side.size === null) return html`<p class="small muted">No body.</p>`;
    const size = bytes(formats, side.size);
    if (side.body === null) return html`<p class="small muted">The body of ${size} was not kept: ${side.left_out}.</p>`;
    const kind = side.headers.find(([n]) => n.toLowerCase() === 'content-type')?.[1] ?? '';
    const cut = side.cut_at === null ? '' : `, cut at ${bytes(formats, side.cut_at)}`;
    const what = [size + cut, side.base64 ? 'binary, as base64' : '', kind].filter(Boolean).join(' · ');
    if (!side.body) return html`<p class="small muted">An empty body.</p>`;
    return html`<details><summary>Body <span class="muted">(${what})</span></summary><div>
      <div class="row">${copyButton(side.body, 'Copy body', 'tiny')}</div>
      <pre class="code" tabindex="0" aria-label="Body of the ${name.toLowerCase()}">${marked(
        side.base64 ? side.body : indented(side.body),
      )}</pre></div></details>`;
  }

  _notes() {
    const {side} = this;
    const notes = [
      side.redacted ? `${side.redacted} ${side.redacted === 1 ? 'place' : 'places'} redacted before it was stored.` : '',
      side.more_headers ? `${side.more_headers} more headers were not kept.` : '',
      side.cut_at === null ? '' : 'What is behind the cut was never stored.',
    ].filter(Boolean);
    return notes.length ? html`<p class="small muted">${notes.join(' ')}</p>` : nothing;
  }
}
customElements.define('ud-exchange', Exchange);

const bytes = (formats, size) => `${formats.number(size)} ${size === 1 ? 'byte' : 'bytes'}`;

/** A text whose marks are seen. */
function marked(text) {
  const parts = text.split(MARK);
  return parts.length === 1 ? text : parts.map((part, i) => (i ? html`<mark>redacted</mark>${part}` : part));
}

/** JSON on lines of its own, its numbers and texts as they were written; anything else as it is. */
export function indented(text) {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  let made = '';
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === '{' || token === '[') {
      made += token;
      depth++;
      made += line();
    } else if (token === '}' || token === ']') {
      depth--;
      const opened = /[{[]\s*$/.test(made);
      made = made.trimEnd() + (opened ? '' : line()) + token;
    } else if (token === ',') made += token + line();
    else if (token === ':') made += ': ';
    else made += token;
  }
  return made;
}
