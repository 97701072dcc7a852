/** `<ud-audit>`: who did what in the workspace, newest first; by actor, action and time; also as CSV. The address has the filters. */
import {css, html, nothing, repeat} from '../../vendor/lit.js';
import {asCsv, get} from '../api.js';
import {rowsOf} from '../chart/figures.js';
import {base} from '../styles.js';
import {cardBody, problemNote} from '../ui/card.js';
import '../ui/controls.js';
import {exportLink} from '../ui/toolbar.js';
import {AreaPart, areaUrl} from './asking.js';
import {listStyles} from './figures.js';

const LIMIT = 100;
/** What happens most; any other may be typed. */
const USUAL = [
  ...['session.begin', 'session.refused', 'session.end', 'export', 'key.put', 'key.revoke', 'member.put', 'member.remove'],
  ...['group.put', 'group.remove', 'webhook.put', 'webhook.remove', 'workspace.put', 'erase'],
];
const OPERATORS = {operator: 'Operator', operator_key: 'Operator’s program'};

class Audit extends AreaPart {
  static properties = {_older: {state: true}, _loading: {state: true}, _problem: {state: true}};

  static styles = [
    base,
    listStyles,
    css`
    td.when { white-space: nowrap; }
    td.details { max-width: 320px; overflow-wrap: anywhere; }
    td.id { max-width: 220px; overflow-wrap: break-word; }
    .more { margin-top: 12px; }
  `,
  ];

  constructor() {
    super();
    this._entries = this.listing();
    this._people = this.listing();
    this._keys = this.listing();
    this._older = null;
    this._seen = new Set(USUAL);
  }

  get _picked() {
    return Object.fromEntries(this.page.state.at.map((one) => [one.slice(0, one.indexOf(':')), one.slice(one.indexOf(':') + 1)]));
  }

  willUpdate(changes) {
    super.willUpdate(changes);
    const {page} = this;
    const {state, me} = page;
    const {action, actor} = this._picked;
    const zone = state.tz === me.workspace.time_zone ? '' : state.tz;
    const asked = {range: state.r, time_zone: zone, action, actor_id: actor};
    this._url = areaUrl(page, 'audit', {...asked, limit: LIMIT});
    this._csv = asCsv(areaUrl(page, 'audit', asked));
    if (this._asked !== this._url) Object.assign(this, {_asked: this._url, _older: null, _problem: null});
    this._entries.ask(this._url);
    const managed = !me.areas.members;
    this._people.ask(managed ? areaUrl(page, 'workspace/members') : null);
    this._keys.ask(managed ? areaUrl(page, 'workspace/keys') : null);
  }

  reload() {
    this._older = null;
    return super.reload();
  }

  render() {
    const {page} = this;
    return html`<section class="card" aria-labelledby="title"><header><div><h2 id="title" tabindex="-1">Audit log</h2>
      <p class="muted small">Who signed in, took data away, and changed keys, people and settings.</p></div></header>
      <div class="toolbar" role="group" aria-label="Entries">
        <ud-menu label="Action" search .items=${this._actions()} .value=${this._picked.action ?? ''} .free=${typed}
          @pick=${(e) => this._pick('action', e.detail)}></ud-menu>
        <ud-menu label="Actor" search .items=${this._actors()} .value=${this._picked.actor ?? ''} .free=${typed}
          @pick=${(e) => this._pick('actor', e.detail)}></ud-menu>
        <div class="end"><ud-range .page=${page}></ud-range>${exportLink(this._csv, 'Export CSV', 'wide')}</div></div>
      ${cardBody([this._entries], 320, () => this._table())}</section>`;
  }

  _actions() {
    for (const row of this._entries.data ? rowsOf(this._entries.data) : []) this._seen.add(row.action);
    return [{value: '', title: 'Any'}, ...[...this._seen].sort().map((value) => ({value, title: value}))];
  }

  _actors() {
    const people = (this._people.data?.members ?? []).map((m) => ({value: m.user_id, title: m.email || m.name || m.user_id, group: 'Members'}));
    const keys = (this._keys.data?.keys ?? []).map((k) => ({value: k.key_id, title: k.label, hint: `…${k.hint}`, group: 'API keys'}));
    return [{value: '', title: 'Anybody'}, ...people, ...keys];
  }

  _pick(name, value) {
    const at = this.page.state.at.filter((one) => !one.startsWith(`${name}:`));
    this.page.go({at: value ? [...at, `${name}:${value}`] : at});
  }

  _table() {
    const rows = [this._entries.data, ...(this._older?.pages ?? [])].flatMap(rowsOf);
    const next = this._older ? this._older.next : this._entries.data.older;
    const {formats} = this.page;
    if (!rows.length) return this._nothing();
    return html`<div class="scroll" role="region" aria-label="Audit log, table" tabindex="0"><table>
      <caption class="only-read">Entries of the audit log, newest first</caption>
      <thead><tr><th scope="col">Time</th><th scope="col">Actor</th><th scope="col">Action</th><th scope="col">What</th>
        <th scope="col">From</th><th scope="col">Details</th></tr></thead>
      <tbody>${repeat(
        rows,
        (row) => row.id,
        (row) => html`<tr><td class="when" title=${formats.full(Date.parse(row.time))}>${formats.moment(Date.parse(row.time))}</td>
          <td class="id" title=${row.actor_id}>${this._actor(row)}</td><td><code>${row.action}</code></td>
          <td class="id" title=${row.target_id}>${this._name(row.target_kind, row.target_id)}</td>
          <td class="mono">${row.address || '—'}</td><td class="details small">${details(row)}</td></tr>`,
      )}</tbody></table></div>
      ${this._problem ? problemNote(this._problem, () => this._more(next)) : nothing}
      ${next ? html`<button class="button more" ?disabled=${this._loading} @click=${() => this._more(next)}>Load older</button>` : nothing}`;
  }

  _nothing() {
    const {page} = this;
    const picked = page.state.at.length;
    return html`<div class="state"><p>${picked ? 'No entries match in this range.' : 'Nothing happened in this range.'}</p><div class="row">
      ${picked ? html`<button class="button" @click=${() => page.go({at: []})}>Clear filters</button>` : nothing}
      ${page.state.r === '12mo' ? nothing : html`<button class="button" @click=${() => page.go({r: '12mo'})}>Widen to 12 months</button>`}
    </div></div>`;
  }

  _actor({actor_kind: kind, actor_id: id}) {
    return OPERATORS[kind] ? html`${OPERATORS[kind]} <span class="muted small">${id}</span>` : this._name(kind, id);
  }

  _name(kind, id) {
    const person = ['user', 'member'].includes(kind) && this._people.data?.members.find((m) => m.user_id === id);
    const key = ['key', 'api_key'].includes(kind) && this._keys.data?.keys.find((k) => k.key_id === id);
    if (key) return html`${key.label} <span class="muted small">…${key.hint}</span>`;
    return (person && (person.email || person.name)) || id || '—';
  }

  async _more(cursor) {
    this._loading = true;
    this._problem = null;
    const asked = this._asked;
    try {
      const page = await get(`${asked}&cursor=${encodeURIComponent(cursor)}`);
      if (asked === this._asked) this._older = {pages: [...(this._older?.pages ?? []), page], next: page.older};
    } catch (problem) {
      this._problem = problem;
    }
    this._loading = false;
  }
}
customElements.define('ud-audit', Audit);

const typed = (text) => ({value: text, title: text});

/** `label: server, permissions: events_write analytics_read`; what it was done to is said beside. */
function details({details: text, target_id: target}) {
  const said = text ? Object.entries(JSON.parse(text)).filter(([, value]) => value !== target) : [];
  const shown = (value) => (Array.isArray(value) ? value.join(' ') : typeof value === 'object' ? JSON.stringify(value) : value);
  return said.map(([name, value]) => `${name}: ${shown(value)}`).join(', ') || '—';
}
