/** `<ud-groups>` and `<ud-service-accounts>`: named sets of members, and users that are no people; cards of the members page. */
import {html, nothing, repeat} from '../../vendor/lit.js';
import {base} from '../styles.js';
import {cardBody} from '../ui/card.js';
import '../ui/controls.js';
import {AreaPart, areaUrl} from './asking.js';
import {listStyles, many, ofLimit, on, standings, wholeOf} from './figures.js';
import {mayBe, permissionTicks} from './key-form.js';
import {confirmation, sheetStyles} from './sheet.js';

const OF_GROUPS = ['workspace_analytics_full_read', 'audit_log_read', 'workspace_members_read'];

const creditField = (of) => html`<label>Credits a billing period<input class="field" name="credit_limit" type="number" min="0" step="1"
  placeholder="No limit" .value=${of?.credit_limit ?? ''}></label>`;
const nameField = (of) => html`<label>Name<input class="field" name="name" required maxlength="200" autocomplete="off"
  .value=${of?.name ?? ''}></label>`;

class Groups extends AreaPart {
  static properties = {members: {attribute: false}, answer: {attribute: false}};

  static styles = [base, sheetStyles, listStyles];

  constructor() {
    super();
    this._limits = this.listing();
  }

  willUpdate(changes) {
    super.willUpdate(changes);
    this._limits.ask(areaUrl(this.page, 'limits', {kind: 'group'}));
  }

  render() {
    return html`<section class="card" aria-labelledby="title"><header><div><h2 id="title" tabindex="-1">Groups</h2>
      <p class="muted small">Usage is counted for the groups its user was in when it happened.</p></div>
      <div class="end"><button class="button" @click=${() => this._edit(null)}>Make a group</button></div></header>
      ${cardBody([this.answer], 80, () => this._table(this.answer.data.groups))}</section>${this.sheet.render()}`;
  }

  _table(groups) {
    if (!groups.length) return html`<p class="muted">There are no groups yet.</p>`;
    const standing = standings(this._limits.data);
    return html`<div class="scroll" role="region" aria-label="Groups, table" tabindex="0"><table>
      <caption class="only-read">Groups of the workspace</caption>
      <thead><tr><th scope="col">Group</th><th scope="col">Members</th><th scope="col">Lets them</th>
        <th scope="col" class="number">Credit limit</th><th><span class="only-read">Actions</span></th></tr></thead>
      <tbody>${repeat(
        groups,
        (g) => g.id,
        (g) => html`<tr><th scope="row">${g.name}<br><code class="muted">${g.id}</code></th>
          <td title=${g.users.map((id) => this._name(id)).join(', ') || nothing}>${many(this.page, g.users.length, 'member')}</td>
          <td class="small">${mayBe(g.permissions)}</td>
          <td class="number limit">${ofLimit(this.page, g.credit_limit, standing.get(g.id))}</td>
          <td class="end"><ud-menu kind="dots" label="More about ${g.name}" align="end" .items=${[
            {value: 'change', title: 'Change…'},
            {value: 'remove', title: 'Remove…'},
          ]} @pick=${(e) => (e.detail === 'change' ? this._edit(g) : this._remove(g))}></ud-menu></td></tr>`,
      )}</tbody></table></div>`;
  }

  _name(id) {
    const found = this.members.find((m) => m.user_id === id);
    return found?.email || found?.name || id;
  }

  async _send(method, path, body) {
    await this.change(method, path, body);
    this.dispatchEvent(new CustomEvent('ud-changed'));
  }

  _edit(g) {
    const strangers = (g?.users ?? []).filter((id) => !this.members.some((m) => m.user_id === id));
    const ids = [...this.members.map((m) => m.user_id), ...strangers];
    this.sheet.open({
      title: g ? `Change “${g.name}”` : 'Make a group',
      body: () => html`${nameField(g)}
        <fieldset><legend>Members</legend><div class="ticks">${ids.map(
          (id) => html`<label class="tick"><input type="checkbox" name="users" value=${id} .checked=${g?.users.includes(id) ?? false}>
            <span>${this._name(id)}</span></label>`,
        )}</div></fieldset>
        <fieldset><legend>It lets them</legend>${permissionTicks(OF_GROUPS, g?.permissions ?? [], this.page.me.grantable)}</fieldset>
        ${creditField(g)}`,
      action: g ? 'Save' : 'Make the group',
      act: (values) =>
        this._send(g ? 'PATCH' : 'POST', `workspace/groups${g ? `/${encodeURIComponent(g.id)}` : ''}`, {
          name: values.get('name').trim(),
          users: values.getAll('users'),
          permissions: values.getAll('permissions'),
          credit_limit: wholeOf(values.get('credit_limit')),
        }),
    });
  }

  _remove(g) {
    const text = 'Its members stay in the workspace, without what it let them do. What was counted for it stays, under its name.';
    const act = () => this._send('DELETE', `workspace/groups/${encodeURIComponent(g.id)}`);
    this.sheet.open(confirmation(`Remove the group “${g.name}”?`, text, 'Remove the group', act));
  }
}
customElements.define('ud-groups', Groups);

class ServiceAccounts extends AreaPart {
  static styles = [base, sheetStyles, listStyles];

  constructor() {
    super();
    this._accounts = this.listing();
    this._limits = this.listing();
  }

  willUpdate(changes) {
    super.willUpdate(changes);
    this._accounts.ask(areaUrl(this.page, 'workspace/service-accounts'));
    this._limits.ask(areaUrl(this.page, 'limits', {kind: 'member'}));
  }

  render() {
    return html`<section class="card" aria-labelledby="title"><header><div><h2 id="title" tabindex="-1">Service accounts</h2>
      <p class="muted small">Users that are no people. They own keys; what is done with those counts as theirs.</p></div>
      <div class="end"><button class="button" @click=${() => this._edit(null)}>Make a service account</button></div></header>
      ${cardBody([this._accounts], 60, () => this._table(this._accounts.data.service_accounts))}</section>${this.sheet.render()}`;
  }

  _table(accounts) {
    if (!accounts.length) return html`<p class="muted">There are no service accounts yet.</p>`;
    const standing = standings(this._limits.data);
    return html`<div class="scroll" role="region" aria-label="Service accounts, table" tabindex="0"><table>
      <caption class="only-read">Service accounts of the workspace</caption>
      <thead><tr><th scope="col">Service account</th><th scope="col" class="number">Credit limit</th><th scope="col">Since</th>
        <th><span class="only-read">Actions</span></th></tr></thead>
      <tbody>${repeat(
        accounts,
        (a) => a.id,
        (a) => html`<tr><th scope="row">${a.name}<br><code class="muted">${a.id}</code></th>
          <td class="number limit">${ofLimit(this.page, a.credit_limit, standing.get(a.id))}</td><td>${on(this.page, a.created_at)}</td>
          <td class="end"><ud-menu kind="dots" label="More about ${a.name}" align="end" .items=${[
            {value: 'change', title: 'Change…'},
            {value: 'remove', title: 'Remove…'},
          ]} @pick=${(e) => (e.detail === 'change' ? this._edit(a) : this._remove(a))}></ud-menu></td></tr>`,
      )}</tbody></table></div>`;
  }

  _edit(a) {
    this.sheet.open({
      title: a ? `Change “${a.name}”` : 'Make a service account',
      body: () => html`${nameField(a)}${creditField(a)}`,
      action: a ? 'Save' : 'Make the service account',
      act: async (values) => {
        const body = {name: values.get('name').trim(), credit_limit: wholeOf(values.get('credit_limit'))};
        await this.change(a ? 'PATCH' : 'POST', `workspace/service-accounts${a ? `/${encodeURIComponent(a.id)}` : ''}`, body);
      },
    });
  }

  _remove(a) {
    const text = 'Its keys are revoked for good. Its usage and its name stay in charts and the log.';
    const act = async () => {
      await this.change('DELETE', `workspace/service-accounts/${encodeURIComponent(a.id)}`);
    };
    this.sheet.open(confirmation(`Remove the service account “${a.name}”?`, text, 'Remove it', act));
  }
}
customElements.define('ud-service-accounts', ServiceAccounts);
