/** `<ud-docs>`: the API's reference, drawn from /openapi.json and the catalogue. Works offline; nothing is listed here a second time. */
import {LitElement, css, html, nothing} from '../vendor/lit.js';
import {get} from './api.js';
import {recall} from './state.js';
import {base, tokens} from './styles.js';
import {problemNote} from './ui/card.js';
import {copyButton} from './ui/copy.js';

const CSV = /\.csv$/;
const EXAMPLES = {metric: 'credits', by: 'product_type', interval: 'day', range: '30d', name: 'api_key_id'};
const KINDS = {requests: 'request', deliveries: 'delivery'};

class Docs extends LitElement {
  static properties = {
    theme: {reflect: true},
    _api: {state: true},
    _catalog: {state: true},
    _problem: {state: true},
    _words: {state: true},
  };

  static styles = [
    tokens,
    base,
    css`
    :host { background: var(--ud-bg); color: var(--ud-text); font: 14px/20px var(--ud-font); }
    .frame { container-type: inline-size; max-width: 1280px; margin: 0 auto; padding: 20px 24px 48px; }
    .sides { display: grid; grid-template-columns: 220px minmax(0, 1fr); gap: 24px; margin-top: 16px; align-items: start; }
    nav { position: sticky; top: 16px; max-height: calc(100vh - 32px); overflow: auto; font-size: 13px; }
    nav h2 { margin: 12px 0 4px; font: 500 12px/16px var(--ud-font); color: var(--ud-text-3); }
    nav a {
      display: block; padding: 3px 0; color: var(--ud-text-2); text-decoration: none; overflow-wrap: anywhere;
      min-height: 26px;
    }
    nav a:hover { color: var(--ud-text); text-decoration: underline; }
    main > h2 { margin: 24px 0 4px; font-size: 18px; }
    .card { margin-top: 12px; scroll-margin-top: 16px; }
    .card > * + * { margin-top: 12px; }
    .card h3 { font: 600 14px/20px var(--ud-font); }
    .name, .card p { overflow-wrap: anywhere; }
    td, tbody th { vertical-align: top; }
    td:first-child, tbody th { white-space: nowrap; }
    td:last-child { white-space: normal; }
    .find { max-width: 320px; margin-left: 16px; }
    @container (width < 860px) {
      .sides { grid-template-columns: minmax(0, 1fr); }
      nav { display: none; }
      td:first-child, tbody th { white-space: normal; overflow-wrap: anywhere; }
    }
  `,
  ];

  constructor() {
    super();
    this._words = '';
    this.theme = recall('theme') ?? 'auto';
    document.documentElement.dataset.theme = this.theme;
  }

  connectedCallback() {
    super.connectedCallback();
    this._load();
  }

  async _load() {
    try {
      [this._api, this._catalog] = await Promise.all([get('/openapi.json'), get('/api/v1/catalog')]);
      await this.updateComplete;
      if (location.hash) this._jump(location.hash.slice(1));
    } catch (problem) {
      this._problem = problem;
    }
  }

  render() {
    if (this._problem) return html`<div class="frame">${problemNote(this._problem, () => location.reload())}</div>`;
    if (!this._api) return html`<div class="frame" aria-busy="true"><h1>API reference</h1></div>`;
    const groups = this._groups();
    return html`<div class="frame">
      <header class="row"><h1>API reference <span class="muted small">${this._api.info.version}</span></h1>
        <input class="field find" type="search" aria-label="Find in the reference" placeholder="Find" .value=${this._words}
          @input=${(e) => (this._words = e.target.value)}>
        <span class="grow"></span><a href="/">Developers</a></header>
      <div class="sides">
        <nav aria-label="Contents">${groups.map(
          ({title, entries}) =>
            html`<h2>${title}</h2>${entries.map(
              (e) => html`<a href="#${e.id}"
          @click=${(event) => this._follow(event, e.id)}>${e.title}</a>`,
            )}`,
        )}</nav>
        <main>${paragraphs(this._api.info.description)}
          ${groups.length ? nothing : html`<p class="state">Nothing matches “${this._words}”.</p>`}
          ${groups.map(
            ({title, help, entries}) => html`<h2>${title}</h2><p
            class="muted">${text(help)}</p>${entries.map((e) => e.content())}`,
          )}</main>
      </div></div>`;
  }

  // --- what there is

  _groups() {
    const words = this._words.toLowerCase().split(/\s+/).filter(Boolean);
    const holds = (text) => words.every((w) => text.toLowerCase().includes(w));
    const operations = Object.entries(this._api.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, o]) => ({path, method, ...o})),
    );
    const groups = this._api.tags.map(({name, description}) => ({
      title: name[0].toUpperCase() + name.slice(1),
      help: description,
      entries: operations
        .filter(
          (o) =>
            o.tags?.includes(name) &&
            !CSV.test(o.path) &&
            holds(JSON.stringify([o.path, o.summary, o.description, o.parameters])),
        )
        .map((o) => ({
          id: idOf(o),
          title: o.summary,
          content: () =>
            this._operation(
              o,
              operations.some((c) => c.path === `${o.path}.csv`),
            ),
        })),
    }));
    const {columns, metrics, dimensions, operators} = this._catalog;
    const list = (id, title, heads, rows) => {
      const found = rows.filter((r) => holds(r.join(' ')) || holds(title));
      return {
        id,
        title,
        rows: found.length,
        content: () => html`<section class="card" id=${id}><h3>${title}</h3>${table(heads, found)}</section>`,
      };
    };
    const fields = Object.entries(columns).map(([subject, all]) =>
      list(
        `fields-${subject}`,
        `Fields of a ${KINDS[subject]}`,
        ['Name in JSON', 'Type', 'Unit', 'Meaning'],
        all.filter((c) => c.sent_as).map((c) => [c.sent_as, c.type, c.unit ?? '', c.help]),
      ),
    );
    const words_ = [
      ...fields,
      list(
        'metrics',
        'Metrics',
        ['Name', 'Title', 'Unit', 'Meaning'],
        metrics.map((m) => [m.name, m.title, m.unit ?? '', `${m.help}${m.additive ? '' : ' Does not add up.'}`]),
      ),
      list(
        'dimensions',
        'Dimensions',
        ['Name', 'Title', 'Use', 'Meaning'],
        dimensions.map((d) => [
          d.name,
          d.title,
          d.split ? 'filter, break down' : 'filter',
          `${d.help}${d.workspace_only ? ' As a breakdown in the workspace view only.' : ''}`,
        ]),
      ),
      list(
        'operators',
        'Filter operators',
        ['Name'],
        operators.map((o) => [o]),
      ),
    ].filter((entry) => entry.rows);
    return [...groups, {title: 'Words', help: 'What events hold and what can be asked about them.', entries: words_}].filter(
      (g) => g.entries.length,
    );
  }

  _operation(operation, csv) {
    const {path, method, summary, description, parameters = [], requestBody, responses} = operation;
    const {schemas} = this._api.components;
    const command = example(operation);
    const body = requestBody?.content['application/json']?.schema;
    const kinds = Object.keys(requestBody?.content ?? {}).join(' or ');
    return html`<section class="card" id=${idOf(operation)}>
      <h3>${summary}</h3>
      <p class="name"><span class="tag">${method.toUpperCase()}</span> <code>${path}</code>${
        csv
          ? html` <span
        class="muted small">as CSV: <code>${path}.csv</code></span>`
          : nothing
      }</p>
      ${paragraphs(description ?? '')}
      ${
        parameters.length
          ? table(
              ['Parameter', 'Type', 'Meaning'],
              parameters.map((p) => [p.name, typeOf(p.schema), p.description ?? p.schema.description ?? '']),
            )
          : nothing
      }
      ${
        body
          ? html`<p><b>Body</b> <span
        class="muted">${kinds}: ${typeOf(body)}</span>${text(body.items?.description ?? '')}</p>${shape(body, schemas)}`
          : nothing
      }
      ${table(
        ['Answer', 'Meaning', 'Fields'],
        Object.entries(responses).map(([status, r]) => [status, r.description, refOf(r.content?.['application/json']?.schema)]),
      )}
      ${shape(responses['200']?.content?.['application/json']?.schema, schemas)}
      <pre class="code" tabindex="0" aria-label="Example">${command}</pre>
      <div class="row">${copyButton(command, 'Copy', 'tiny')}</div></section>`;
  }

  // --- the address

  _follow(event, id) {
    event.preventDefault();
    history.replaceState(null, '', `#${id}`);
    this._jump(id);
  }

  _jump(id) {
    this.renderRoot.getElementById(decodeURIComponent(id))?.scrollIntoView();
  }
}
customElements.define('ud-docs', Docs);

const idOf = ({path, method}) => `${method}${path}`.replace(/[^a-z0-9]+/gi, '-').replace(/-$/, '');

/** Text with `code` in it. */
const text = (said) =>
  String(said)
    .split('`')
    .map((part, i) => (i % 2 ? html`<code>${part}</code>` : part));
const paragraphs = (said) =>
  said
    .trim()
    .split(/\n\n+/)
    .filter(Boolean)
    .map((p) => html`<p>${text(p)}</p>`);
const refOf = (schema) => schema?.$ref?.split('/').at(-1) ?? '';
const alternatives = (schema) => (schema.anyOf ?? [schema]).filter((s) => s.type !== 'null');

function typeOf(schema = {}) {
  return alternatives(schema)
    .map((s) => {
      if (s.type === 'array') return `list of ${typeOf(s.items)}`;
      return s.enum ? s.enum.join(' | ') : refOf(s) || (s.type ?? 'anything');
    })
    .join(' or ');
}

/** The fields of an object, and those of objects inside it. */
function shape(schema, schemas, depth = 0) {
  if (!schema || depth > 2) return nothing;
  const inner = schema.$ref ? schemas[refOf(schema)] : schema.items;
  if (inner && !schema.properties)
    return html`${
      depth
        ? html`<p
      class="small muted">${refOf(schema)}</p>`
        : nothing
    }${shape(inner, schemas, depth + (schema.$ref ? 0 : 1))}`;
  if (!schema.properties) return nothing;
  const inside = Object.values(schema.properties)
    .flatMap(alternatives)
    .map((s) => (s.type === 'array' ? s.items : s))
    .filter((s) => s.$ref && schemas[refOf(s)].properties);
  return html`${table(
    ['Field', 'Type', 'Meaning'],
    Object.entries(schema.properties).map(([name, s]) => [name, typeOf(s), s.description ?? '']),
  )}
    ${inside.map((s) => shape(s, schemas, depth + 1))}`;
}

const table = (
  heads,
  rows,
) => html`<div class="scroll" role="group" aria-label=${heads[0]} tabindex="0"><table><thead><tr>${heads.map(
  (h) => html`<th
  scope="col">${h}</th>`,
)}</tr></thead>
  <tbody>${rows.map(
    ([first, ...rest]) => html`<tr><th
    scope="row"><code>${first}</code></th>${rest.map((c) => html`<td>${text(c)}</td>`)}</tr>`,
  )}</tbody></table></div>`;

/** A command that can be pasted into a shell. */
function example({path, method, parameters = [], requestBody}) {
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => EXAMPLES[name] ?? name);
  const asked = parameters.filter((p) => p.in === 'query' && p.name in EXAMPLES).map((p) => `${p.name}=${EXAMPLES[p.name]}`);
  const required = parameters.filter((p) => p.in === 'query' && p.required).map((p) => `${p.name}=…`);
  const query = [...asked, ...required].join('&');
  const lines = [
    `curl ${method === 'get' ? '' : `-X ${method.toUpperCase()} `}'${location.origin}${filled}${query ? `?${query}` : ''}'`,
    '-H "xi-api-key: $API_KEY"',
  ];
  if (requestBody)
    lines.push(
      '-H "content-type: application/json"',
      path === '/v1/events' ? '-d \'{"path": "/v1/example", "status": 200, "credits": 1}\'' : "-d '{}'",
    );
  return lines.join(' \\\n  ');
}
