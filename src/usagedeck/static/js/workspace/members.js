/** `<ud-members>`: who is in the workspace, in which role, and what they see of it; their groups; service accounts. */
import {css, html, nothing, repeat} from '../../vendor/lit.js';
import {base} from '../styles.js';
import {cardBody} from '../ui/card.js';
import '../ui/controls.js';
import {AreaPart, areaUrl} from './asking.js';
import {listStyles, many, ofLimit, on, standings, tag, wholeOf} from './figures.js';
import './groups.js';
import './invitations.js';
import {ROLES, roleTicks} from './roles.js';
import {confirmation, sheetStyles} from './sheet.js';

const FEW = 50;

const pathOf = ({user_id: id}) => `workspace/members/${encodeURIComponent(id)}`;

class Members extends AreaPart {
  static properties = {_find: {state: true}, _all: {state: true}};

  static styles = [
    base,
    sheetStyles,
    listStyles,
    css`
    :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; }
  `,
  ];

  constructor() {
    super();
    this._members = this.listing();
    this._groups = this.listing();
    this._limits = this.listing();
    this._find = '';
    this._all = false;
  }

  willUpdate(changes) {
    super.willUpdate(changes);
    this._members.ask(areaUrl(this.page, 'workspace/members'));
    this._groups.ask(areaUrl(this.page, 'workspace/groups'));
    this._limits.ask(areaUrl(this.page, 'limits', {kind: 'member'}));
  }

  render() {
    const count = this._members.data?.members.length;
    return html`<section class="card" aria-labelledby="title"><header><div><h2 id="title" tabindex="-1">Members</h2>
      <p class="muted small">${count === undefined ? html`&nbsp;` : many(this.page, count, 'member')}</p></div>
      <div class="end"><input class="field find" type="search" aria-label="Find a member" placeholder="Find" .value=${this._find}
        @input=${(e) => (this._find = e.target.value)}></div></header>
      ${cardBody([this._members], 200, () => this._table())}</section>
      <ud-invitations .page=${this.page} .groups=${this._groups.data?.groups ?? []}></ud-invitations>
      <ud-groups .page=${this.page} .members=${this._members.data?.members ?? []} .answer=${{...this._groups, retry: () => this._groups.retry()}} @ud-changed=${() => this.reload()}></ud-groups>
      <ud-service-accounts .page=${this.page}></ud-service-accounts>
      ${this.sheet.render()}`;
  }

  _table() {
    const words = this._find.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this._members.data.members.filter((m) => words.every((w) => `${m.email} ${m.name} ${m.user_id} ${m.role}`.toLowerCase().includes(w)));
    const standing = standings(this._limits.data);
    const shown = this._all ? found : found.slice(0, FEW);
    if (!found.length) return html`<div class="state"><p>Nobody matches “${this._find}”.</p></div>`;
    return html`<div class="scroll" role="region" aria-label="Members, table" tabindex="0"><table>
      <caption class="only-read">Members of the workspace</caption>
      <thead><tr><th scope="col">Member</th><th scope="col">Role</th><th scope="col">Sees</th><th scope="col">Groups</th>
        <th scope="col" class="number">Credit limit</th><th scope="col">Since</th><th><span class="only-read">Actions</span></th></tr></thead>
      <tbody>${repeat(
        shown,
        (m) => m.user_id,
        (m) => html`<tr><th scope="row">${m.email || m.name || m.user_id}${m.user_id === this.page.me.user.id ? html` <span class="muted">(you)</span>` : nothing}
            ${m.email && m.name ? html`<br><span class="muted small">${m.name}</span>` : nothing}</th>
          <td>${ROLES[m.role]?.[0] ?? m.role} ${m.locked ? tag('s4', 'Locked', 'Sees nothing, and their keys rest.') : nothing}</td>
          <td>${this._seesAll(m) ? 'The workspace' : 'Their own'}</td>
          <td>${this._groupsOf(m).map((g) => html`<div>${g.name}</div>`)}</td>
          <td class="number limit">${ofLimit(this.page, m.credit_limit, standing.get(m.user_id))}</td>
          <td>${on(this.page, m.member_since)}</td>
          <td class="end">${this._actions(m)}</td></tr>`,
      )}</tbody></table></div>
      ${
        found.length > shown.length
          ? html`<button class="button plain tiny" @click=${() => (this._all = true)}>Show all ${found.length}</button>`
          : nothing
      }`;
  }

  _groupsOf({user_id: id}) {
    return this._groups.data?.groups.filter((g) => g.users.includes(id)) ?? [];
  }

  _seesAll(m) {
    const granted = this._groupsOf(m).some((g) => g.permissions.includes('workspace_analytics_full_read'));
    return ['owner', 'admin'].includes(m.role) || m.full_read || granted;
  }

  _actions(m) {
    const {me} = this.page;
    const reason = m.role === 'owner' && !me.givable.includes('owner') ? 'Only owners change owners.' : undefined;
    const acts = {change: () => this._change(m), lock: () => this._lock(m), unlock: () => this.now('PATCH', pathOf(m), {locked: false}), remove: () => this._remove(m)};
    return html`<ud-menu kind="dots" label="More about ${m.email || m.name || m.user_id}" align="end" .items=${[
      {value: 'change', title: 'Change…', reason},
      m.locked ? {value: 'unlock', title: 'Unlock', reason} : {value: 'lock', title: 'Lock…', reason},
      {value: 'remove', title: 'Remove…', reason},
    ]} @pick=${(e) => acts[e.detail]()}></ud-menu>`;
  }

  // --- what is done

  async _put(m, said) {
    await this.change('PATCH', pathOf(m), said);
    if (m.user_id === this.page.me.user.id) this.dispatchEvent(new CustomEvent('ud-renewed', {bubbles: true, composed: true}));
  }

  _change(m) {
    const {givable} = this.page.me;
    this.sheet.open({
      title: `Change ${m.email || m.name || m.user_id}`,
      body: () => html`${roleTicks(m.role, givable, 'Only owners make owners.')}
      <label class="tick"><input type="checkbox" name="full_read" .checked=${m.full_read}> <span>Sees the whole workspace
        <span class="muted small">Owners and admins always do.</span></span></label>
      <label>Credits a billing period<input class="field" name="credit_limit" type="number" min="0" step="1" placeholder="No limit"
        .value=${m.credit_limit ?? ''}></label>`,
      action: 'Save',
      act: async (values) => {
        await this._put(m, {
          role: values.get('role') ?? m.role,
          full_read: values.has('full_read'),
          credit_limit: wholeOf(values.get('credit_limit')),
        });
      },
    });
  }

  _lock(m) {
    const text = 'They see nothing of this workspace, and their keys rest, until they are unlocked. They stay a member.';
    const act = async () => {
      await this._put(m, {locked: true});
    };
    this.sheet.open(confirmation(`Lock ${m.email || m.name || m.user_id}?`, text, 'Lock them', act));
  }

  _remove(m) {
    const text = 'Their keys are revoked for good and their groups lose them. Their usage and their name stay in charts and the log.';
    const act = async () => {
      await this.change('DELETE', pathOf(m));
    };
    this.sheet.open(confirmation(`Remove ${m.email || m.name || m.user_id}?`, text, 'Remove them', act));
  }
}
customElements.define('ud-members', Members);
