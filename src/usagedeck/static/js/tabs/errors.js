/** `<ud-errors>`: what failed, in groups: how often, since when, for whom, and what the newest one said. A group opens exactly its
 * rows in the log. Which columns there are is the server's to say. */
import {LitElement, css, html, nothing, repeat} from '../../vendor/lit.js';
import {Question, asCsv} from '../api.js';
import {narrowedTo} from '../catalog.js';
import {errorsQuestion} from '../questions.js';
import {base} from '../styles.js';
import {cardBody} from '../ui/card.js';
import {statusBadge} from '../ui/cells.js';
import {exportLink} from '../ui/toolbar.js';

const FEW = 8;
const ALL = 200;

class Errors extends LitElement {
  static properties = {page: {attribute: false}, _all: {state: true}};

  static styles = [
    base,
    css`
    tbody th { min-width: 220px; }
    tbody th a { color: inherit; text-decoration: none; overflow-wrap: anywhere; }
    tbody th a:hover { text-decoration: underline; }
    .message { min-width: 160px; max-width: 280px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    .said { margin-left: 6px; }
    td.when { white-space: nowrap; }
  `,
  ];

  constructor() {
    super();
    this._groups = new Question(this, (data) => this.page.names.learn(data));
    this._all = false;
  }

  willUpdate() {
    this._url = errorsQuestion(this.page, this._all ? ALL : FEW);
    this._groups.ask(this._url);
  }

  render() {
    const {data} = this._groups;
    const count = data && !this._groups.loading ? data.errors : null;
    return html`<section class="card" aria-labelledby="errors"><header><div><h2 id="errors">What failed</h2>
      <p class="muted small">${count === null ? html`&nbsp;` : this._subtitle(data)}</p></div>
      <div class="end">${exportLink(asCsv(this._url), 'CSV', 'plain')}</div></header>
      ${cardBody([this._groups], 240, () => (data.rows.length ? this._table(data) : html`<p class="muted">Nothing failed.</p>`))}</section>`;
  }

  _subtitle({errors, groups}) {
    const {formats} = this.page;
    const many = (n, one) => `${formats.number(n)} ${one}${n === 1 ? '' : 's'}`;
    return html`<span data-errors=${errors}>${many(errors, 'error')}</span> in ${many(groups, 'group')}`;
  }

  _table({columns, rows, groups}) {
    const {page} = this;
    const {formats} = page;
    const names = columns.map((c) => c.name);
    const at = Object.fromEntries(names.map((name, i) => [name, i]));
    const by = names.slice(0, at.count).filter((n) => !n.endsWith('_label'));
    const affected = columns.slice(at.message + 1);
    return html`<div class="scroll" role="region" aria-label="What failed, table" tabindex="0"><table>
      <caption class="only-read">Errors by ${by.map((n) => columns[at[n]].title).join(', ')}. A name opens them in the log.</caption>
      <thead><tr><th scope="col">Error</th><th scope="col" class="number">Errors</th>
        <th scope="col" class="number" title="Of all ${page.state.of} by ${columns[at.traffic].title.replace(': all', '')}">Share</th>
        ${affected.map((c) => html`<th scope="col" class="number">${c.title}</th>`)}
        <th scope="col">First seen</th><th scope="col">Last seen</th><th scope="col">Newest message</th></tr></thead>
      <tbody>${repeat(
        rows,
        (row) => JSON.stringify(by.map((n) => row[at[n]])),
        (row) => html`<tr><th scope="row">${this._link(by, row, at)}</th>
        <td class="number">${formats.number(row[at.count])}</td>
        <td class="number" title="Of ${formats.number(row[at.traffic])}">${formats.percent(row[at.share])}</td>
        ${affected.map((c) => html`<td class="number">${formats.number(row[at[c.name]])}</td>`)}
        ${['first_seen', 'last_seen'].map(
          (n) => html`<td class="when" title=${formats.full(Date.parse(row[at[n]]))}>${formats.moment(Date.parse(row[at[n]]))}</td>`,
        )}
        <td class="message" title=${row[at.message] ?? nothing}>${row[at.message] ?? '—'}</td></tr>`,
      )}</tbody></table></div>
      ${
        groups > FEW
          ? html`<button class="button plain tiny" @click=${() => (this._all = !this._all)}>${
              this._all ? `Show ${FEW}` : groups > ALL ? `Show ${ALL}` : `Show all ${groups}`
            }</button>`
          : nothing
      }`;
  }

  _link(by, row, at) {
    const {page} = this;
    const pairs = by.map((name) => [name, row[at[name]] === null ? '' : String(row[at[name]])]);
    const said = by
      .filter((name) => name !== 'status' && row[at[name]] !== null)
      .map((name) => html` <span class="mono said">${row[at[`${name}_label`]] ?? row[at[name]]}</span>`);
    return page.link(
      {tab: 'log', per: 'attempts', r: page.state.r, f: narrowedTo(page.state.f, pairs), q: '', id: ''},
      html`${statusBadge(row[at.status])}${said}`,
    );
  }
}
customElements.define('ud-errors', Errors);
