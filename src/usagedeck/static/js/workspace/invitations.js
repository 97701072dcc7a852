/** `<ud-invitations>`: whom somebody invited, what became of it, and the link for somebody new; a card of the members page. */
import {html, nothing, repeat} from '../../vendor/lit.js';
import {base} from '../styles.js';
import {cardBody} from '../ui/card.js';
import {copyButton} from '../ui/copy.js';
import {AreaPart, areaUrl} from './asking.js';
import {listStyles, on, tag, wholeOf} from './figures.js';
import {ROLES, roleTicks} from './roles.js';
import {confirmation, sheetStyles} from './sheet.js';

const STATES = {
  waiting: ['s3', 'Waiting'],
  accepted: ['s2', 'Accepted'],
  expired: ['', 'Expired'],
  void: ['s4', 'Void', 'Whoever sent it may not invite to that role any more.'],
};

class Invitations extends AreaPart {
  static properties = {groups: {attribute: false}};

  static styles = [base, sheetStyles, listStyles];

  constructor() {
    super();
    this.groups = [];
    this._invitations = this.listing();
  }

  willUpdate(changes) {
    super.willUpdate(changes);
    this._invitations.ask(areaUrl(this.page, 'workspace/invitations'));
  }

  render() {
    return html`<section class="card" aria-labelledby="title"><header><div><h2 id="title" tabindex="-1">Invitations</h2>
      <p class="muted small">Whoever opens the link of one becomes a member. It works once, and for some days.</p></div>
      <div class="end"><button class="button primary" @click=${() => this._invite()}>Invite somebody</button></div></header>
      ${cardBody([this._invitations], 60, () => this._table(this._invitations.data.invitations))}</section>${this.sheet.render()}`;
  }

  _table(invitations) {
    if (!invitations.length) return html`<p class="muted">Nobody was invited yet.</p>`;
    return html`<div class="scroll" role="region" aria-label="Invitations, table" tabindex="0"><table>
      <caption class="only-read">Invitations to the workspace</caption>
      <thead><tr><th scope="col">E-mail</th><th scope="col">Role</th><th scope="col">State</th><th scope="col">Sent</th><th scope="col">Good until</th>
        <th><span class="only-read">Actions</span></th></tr></thead>
      <tbody>${repeat(
        invitations,
        (i) => i.id,
        (i) => html`<tr><th scope="row">${i.email}</th><td>${ROLES[i.role]?.[0] ?? i.role}</td>
          <td>${tag(...(STATES[i.state] ?? ['', i.state]))}</td><td>${on(this.page, i.created_at)}</td>
          <td>${i.state === 'waiting' ? on(this.page, i.expires_at) : '—'}</td>
          <td class="end">${
            i.state === 'accepted'
              ? nothing
              : html`<button class="button tiny" @click=${() => this._revoke(i)}>Take back<span class="only-read"> ${i.email}</span></button>`
          }</td></tr>`,
      )}</tbody></table></div>`;
  }

  // --- what is done

  _invite() {
    const {invitable} = this.page.me;
    this.sheet.open({
      title: 'Invite somebody',
      body: () => html`<label>E-mail<input class="field" type="email" name="email" required maxlength="200" autocomplete="off"></label>
        ${roleTicks('member', invitable, 'Only owners invite to it.')}
        <label class="tick"><input type="checkbox" name="full_read"> <span>Sees the whole workspace
          <span class="muted small">Owners and admins always do.</span></span></label>
        ${
          this.groups.length
            ? html`<fieldset><legend>Groups</legend><div class="ticks">${this.groups.map(
                (g) => html`<label class="tick"><input type="checkbox" name="groups" value=${g.id}> <span>${g.name}</span></label>`,
              )}</div></fieldset>`
            : nothing
        }
        <label>Credits a billing period<input class="field" name="credit_limit" type="number" min="0" step="1" placeholder="No limit"></label>`,
      action: 'Make the link',
      act: async (values) => {
        const made = await this.change('POST', 'workspace/invitations', {
          email: values.get('email').trim(),
          role: values.get('role'),
          full_read: values.has('full_read'),
          groups: values.getAll('groups'),
          credit_limit: wholeOf(values.get('credit_limit')),
        });
        return {
          title: 'Send them the link',
          told: true,
          body: () => html`<div class="secret"><p>This is the only time that it is shown. Whoever has it joins as ${made.email}, once, until
              ${this.page.formats.moment(Date.parse(made.expires_at))}.</p>
            <code id="link">${made.link}</code><div class="row">${copyButton(made.link, 'Copy the link')}</div></div>`,
          action: 'Done',
          act: async () => null,
        };
      },
    });
  }

  _revoke(i) {
    const act = async () => {
      await this.change('DELETE', `workspace/invitations/${encodeURIComponent(i.id)}`);
    };
    const text = 'Its link works no more. You can invite them again.';
    this.sheet.open(confirmation(`Take back the invitation of ${i.email}?`, text, 'Take it back', act));
  }
}
customElements.define('ud-invitations', Invitations);
