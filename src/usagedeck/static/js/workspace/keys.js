/** `<ud-keys>`: the API keys: who has them, what they may do, whether they work, how much they are used. Made here, shown once. */
import {css, html, nothing, repeat} from '../../vendor/lit.js';
import {rowsOf} from '../chart/figures.js';
import {spark} from '../chart/spark.js';
import {base} from '../styles.js';
import {cardBody} from '../ui/card.js';
import {copyButton} from '../ui/copy.js';
import '../ui/controls.js';
import {AreaPart, areaUrl} from './asking.js';
import {listStyles, many, ofLimit, on, since, standings, tag} from './figures.js';
import {keyBody, keyFields, mayBe} from './key-form.js';
import {confirmation, sheetStyles} from './sheet.js';

const DAYS = 30;
const SERIES = 500;
const FEW = 50;

class Keys extends AreaPart {
  static properties = {_revoked: {state: true}, _find: {state: true}, _all: {state: true}};

  static styles = [
    base,
    sheetStyles,
    listStyles,
    css`
    .owner { min-width: 120px; overflow-wrap: anywhere; }
    .may { min-width: 140px; max-width: 220px; }
    .works { min-width: 90px; }
    .used { display: flex; align-items: center; justify-content: flex-end; gap: 8px; }
    .used a { color: inherit; text-decoration: none; }
    .used a:hover { text-decoration: underline; }
    svg { flex: none; }
  `,
  ];

  constructor() {
    super();
    this._keys = this.listing();
    this._people = this.listing();
    this._bots = this.listing();
    this._used = this.listing();
    this._limits = this.listing();
    this._revoked = 'working';
    this._find = '';
    this._all = false;
  }

  get _manages() {
    return !this.page.me.areas.members;
  }

  willUpdate(changes) {
    super.willUpdate(changes);
    const {page} = this;
    this._keys.ask(areaUrl(page, 'workspace/keys'));
    this._people.ask(this._manages ? areaUrl(page, 'workspace/members') : null);
    this._bots.ask(this._manages ? areaUrl(page, 'workspace/service-accounts') : null);
    const asked = {metric: 'requests', by: 'api_key_id', interval: 'day', range: `${DAYS}d`, top: SERIES};
    this._used.ask(areaUrl(page, 'usage', asked));
    this._limits.ask(areaUrl(page, 'limits', {kind: 'key'}));
  }

  render() {
    return html`<section class="card" aria-labelledby="title"><header><div><h2 id="title" tabindex="-1">API keys</h2>
      <p class="muted small">${this._manages ? 'All keys of the workspace.' : 'Your own keys.'}
        A key signs requests as <code>xi-api-key</code> or <code>Authorization: Bearer</code>.</p></div>
      <div class="end">
        <input class="field find" type="search" aria-label="Find a key" placeholder="Find" .value=${this._find}
          @input=${(e) => (this._find = e.target.value)}>
        <ud-segments label="Which keys" .items=${[
          {value: 'working', title: 'In use'},
          {value: 'revoked', title: 'Revoked'},
        ]}
          .value=${this._revoked} @pick=${(e) => (this._revoked = e.detail)}></ud-segments>
        <button class="button primary" @click=${this._make}>Make a key</button></div></header>
      ${cardBody([this._keys], 200, () => this._table())}</section>${this.sheet.render()}`;
  }

  _table() {
    const words = this._find.toLowerCase().split(/\s+/).filter(Boolean);
    const revoked = this._revoked === 'revoked';
    const all = this._keys.data.keys.filter((k) => Boolean(k.revoked_at) === revoked);
    const found = all.filter((k) => words.every((w) => `${k.label} ${k.key_id} ${k.hint} ${this._owner(k)}`.toLowerCase().includes(w)));
    if (!found.length) return this._nothing(all.length, revoked);
    const shown = this._all ? found : found.slice(0, FEW);
    const used = this._used.data && amounts(this._used.data);
    const limited = shown.some((k) => k.credit_limit !== null);
    const standing = standings(this._limits.data);
    return html`<div class="scroll" role="region" aria-label="API keys, table" tabindex="0"><table>
      <caption class="only-read">API keys. The number of requests opens them in the log.</caption>
      <thead><tr><th scope="col">Key</th>${this._manages ? html`<th scope="col">Owner</th>` : nothing}
        <th scope="col">May</th><th scope="col">State</th><th scope="col" title="When something was sent or asked with it here">Last used</th>
        ${limited ? html`<th scope="col" class="number">Credit limit</th>` : nothing}
        <th scope="col" class="number">Requests, ${DAYS} days</th>${revoked ? nothing : html`<th><span class="only-read">Actions</span></th>`}</tr></thead>
      <tbody>${repeat(
        shown,
        (k) => k.key_id,
        (k) => html`<tr><th scope="row">${k.label}<br><code class="muted" title=${k.key_id}>…${k.hint || '????'}</code></th>
          ${this._manages ? html`<td class="owner">${this._owner(k)}</td>` : nothing}
          <td class="may small" title=${k.permissions.join(', ')}>${mayBe(k.permissions)}${atOnce(k)}</td>
          <td class="works">${this._state(k)}${k.allowed_ips.length
            ? html`<div class="muted small" title=${k.allowed_ips.join(', ')}>${many(this.page, k.allowed_ips.length, 'network')} only</div>`
            : nothing}</td>
          <td>${since(this.page, k.last_used_at, html`<span class="muted">Never</span>`)}</td>
          ${limited ? html`<td class="number limit">${ofLimit(this.page, k.credit_limit, standing.get(k.key_id))}</td>` : nothing}
          <td class="number">${this._figure(k, used)}</td>
          ${revoked ? nothing : html`<td class="end">${this._actions(k)}</td>`}</tr>`,
      )}</tbody></table></div>
      ${
        found.length > shown.length
          ? html`<button class="button plain tiny" @click=${() => (this._all = true)}>Show all ${found.length}</button>`
          : nothing
      }`;
  }

  _nothing(any, revoked) {
    if (any) return html`<div class="state"><p>No key matches “${this._find}”.</p>
      <button class="button" @click=${() => (this._find = '')}>Clear</button></div>`;
    if (revoked) return html`<div class="state"><p>No key was revoked.</p></div>`;
    return html`<div class="state"><p>There are no keys yet. With one your API, or the middleware in front of it, sends events here, and
      programs ask for usage.</p></div>`;
  }

  _owner({user_id: id}) {
    if (!id) return 'Nobody';
    const person = this._people.data?.members.find((m) => m.user_id === id);
    return person?.email || person?.name || this._bots.data?.service_accounts.find((b) => b.id === id)?.name || id;
  }

  _state(k) {
    const {page} = this;
    if (k.revoked_at) return html`${tag('', 'Revoked')} <span class="muted small">${on(page, k.revoked_at)}</span>`;
    if (k.expires_at && Date.parse(k.expires_at) <= page.now()) return tag('s5', 'Expired', page.formats.full(Date.parse(k.expires_at)));
    if (k.disabled_at) return tag('s4', 'Disabled', page.formats.full(Date.parse(k.disabled_at)));
    return html`${tag('s2', 'Works')}${k.expires_at ? html` <span class="muted small">until ${on(page, k.expires_at)}</span>` : nothing}`;
  }

  _figure(k, used) {
    if (!used) return this._used.error ? html`<span title=${this._used.error.message}>—</span>` : '';
    const days = used.get(k.key_id);
    if (!days) return '0';
    const total = days.reduce((a, b) => a + b, 0);
    const f = [{dimension: 'api_key_id', op: 'eq', values: [k.key_id]}];
    const scope = this.page.me.views.at(-1);
    return html`<span class="used">${spark(days)}${this.page.link(
      {tab: 'log', of: 'requests', r: `${DAYS}d`, f, q: '', id: '', scope},
      this.page.formats.number(total),
    )}</span>`;
  }

  _actions(k) {
    const acts = {
      change: () => this._change(k),
      disable: () => this._disable(k),
      enable: () => this.now('PATCH', `workspace/keys/${k.key_id}`, {disabled: false}),
      revoke: () => this._revoke(k),
    };
    const reason = this._manages ? undefined : 'Only owners and admins disable keys; you may revoke it.';
    return html`<ud-menu kind="dots" label="More about ${k.label}" align="end" .items=${[
      {value: 'change', title: this._manages ? 'Change…' : 'Rename…'},
      k.disabled_at
        ? {value: 'enable', title: 'Enable', reason: this._manages ? undefined : 'Only owners and admins enable keys.'}
        : {value: 'disable', title: 'Disable…', reason},
      {value: 'revoke', title: 'Revoke…'},
    ]} @pick=${(e) => acts[e.detail]()}></ud-menu>`;
  }

  // --- what is done

  _form(key) {
    const {me} = this.page;
    const people = this._people.data?.members ?? [];
    const bots = this._bots.data?.service_accounts ?? [];
    return keyFields(key, {page: this.page, me, people, bots, manages: this._manages});
  }

  _make() {
    this.sheet.open({
      title: 'Make an API key',
      body: () => this._form(null),
      action: 'Make the key',
      act: async (values) => {
        const made = await this.change('POST', 'workspace/keys', keyBody(values, this.page, {manages: this._manages}));
        return {
          title: 'Copy the key now',
          told: true,
          body: () => html`<div class="secret"><p>This is the only time that “${made.label}” is shown. Keep it where your program
              reads its secrets; nobody can look it up later.</p>
            <code id="secret">${made.api_key}</code><div class="row">${copyButton(made.api_key, 'Copy the key')}</div></div>`,
          action: 'Done',
          act: async () => null,
        };
      },
    });
  }

  _change(k) {
    this.sheet.open({
      title: `Change “${k.label}”`,
      body: () => this._form(k),
      action: 'Save',
      act: async (values) => {
        await this.change('PATCH', `workspace/keys/${k.key_id}`, keyBody(values, this.page, {manages: this._manages, key: k}));
      },
    });
  }

  _disable(k) {
    const text = 'Requests with it are refused at once, until somebody enables it again. Its usage stays.';
    this.sheet.open(
      confirmation(`Disable “${k.label}”?`, text, 'Disable the key', async () => {
        await this.change('PATCH', `workspace/keys/${k.key_id}`, {disabled: true});
      }),
    );
  }

  _revoke(k) {
    const text = html`Requests with <code>…${k.hint}</code> are refused at once and for good. It cannot be undone. Its usage and its name stay.`;
    this.sheet.open(
      confirmation(`Revoke “${k.label}”?`, text, 'Revoke the key', async () => {
        await this.change('DELETE', `workspace/keys/${k.key_id}`);
      }),
    );
  }
}
customElements.define('ud-keys', Keys);

/** How many requests of a kind may run at once, where that is limited. */
function atOnce(k) {
  const kinds = {tts: 'speech', dubbing: 'dubbing', music: 'music'};
  const limits = Object.entries(kinds).map(([kind, title]) => [k[`${kind}_concurrency_limit`], title]);
  const said = limits.filter(([limit]) => limit !== null).map((parts) => parts.join(' '));
  return said.length
    ? html`<div class="muted" title="Limits of concurrency, for whoever runs the requests. Nothing is stopped here.">At once: ${said.join(', ')}</div>`
    : nothing;
}

/** Key id → requests of each day. */
function amounts(answer) {
  const days = new Map(answer.edges.slice(0, -1).map((edge, i) => [Date.parse(edge), i]));
  const found = new Map();
  for (const row of rowsOf(answer)) {
    if (row.is_other || row.api_key_id === null) continue;
    if (!found.has(row.api_key_id)) found.set(row.api_key_id, Array(days.size).fill(0));
    found.get(row.api_key_id)[days.get(Date.parse(row.bucket_start))] += Number(row.requests);
  }
  return found;
}
