/** `<ud-sessions>`: where the reader is signed in, and out with it; their password. */
import {css, html, nothing, repeat} from '../../vendor/lit.js';
import {base} from '../styles.js';
import {cardBody} from '../ui/card.js';
import {AreaPart} from './asking.js';
import {listStyles, since, tag} from './figures.js';
import {confirmation, sheetStyles} from './sheet.js';

class Sessions extends AreaPart {
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
    this._sessions = this.listing();
  }

  willUpdate(changes) {
    super.willUpdate(changes);
    this._sessions.ask('/api/v1/sessions');
  }

  render() {
    const others = this._sessions.data?.sessions.filter((s) => !s.current).length;
    return html`<section class="card" aria-labelledby="title"><header><div><h2 id="title" tabindex="-1">My sessions</h2>
      <p class="muted small">Where ${this.page.me.user.email ?? 'you'} signed in.</p></div>
      <div class="end"><button class="button" @click=${() => this._password()}>Change password</button>
        <button class="button" ?disabled=${!others} title=${others === 0 ? 'There are no others.' : nothing}
        @click=${() => this._endOthers(others)}>End all others</button></div></header>
      ${cardBody([this._sessions], 120, () => this._table(this._sessions.data.sessions))}</section>${this.sheet.render()}`;
  }

  _table(sessions) {
    const {page} = this;
    return html`<div class="scroll" role="region" aria-label="My sessions, table" tabindex="0"><table>
      <caption class="only-read">Where you are signed in</caption>
      <thead><tr><th scope="col">Browser</th><th scope="col">Address</th><th scope="col">Signed in</th><th scope="col">Last used</th>
        <th scope="col">Ends</th><th><span class="only-read">Actions</span></th></tr></thead>
      <tbody>${repeat(
        sessions,
        (s) => s.id,
        (s) => html`<tr><th scope="row" title=${s.user_agent}>${browserOf(s.user_agent)} ${s.current ? tag('s2', 'This one') : nothing}</th>
          <td class="mono">${s.address || '—'}</td><td>${since(page, s.began)}</td><td>${since(page, s.last_used)}</td>
          <td>${page.formats.moment(Date.parse(s.expires))}</td>
          <td class="end">${s.current ? nothing : html`<button class="button tiny" @click=${() => this.now('DELETE', `sessions/${s.id}`)}>End</button>`}</td></tr>`,
      )}</tbody></table></div>`;
  }

  _password() {
    this.sheet.open({
      title: 'Change your password',
      body: () => html`<input type="hidden" autocomplete="username" .value=${this.page.me.user.email ?? ''}>
        <label>Your password now<input class="field" type="password" name="password" autocomplete="current-password" required
          maxlength="1000"></label>
        <label>The new one<input class="field" type="password" name="new_password" autocomplete="new-password" required maxlength="1000">
          </label>
        <p class="muted small">All your other sessions end.</p>`,
      action: 'Change the password',
      act: async (values) => {
        await this.change('POST', 'account/password', {password: values.get('password'), new_password: values.get('new_password')});
      },
    });
  }

  _endOthers(count) {
    const text = `${count === 1 ? 'One other browser is' : `${count} other browsers are`} signed out at once. This one stays signed in.`;
    const act = async () => {
      await this.change('DELETE', 'sessions');
    };
    this.sheet.open(confirmation('End all other sessions?', text, 'End them', act));
  }
}
customElements.define('ud-sessions', Sessions);

/** `Firefox on Linux`, as far as it can be told. */
function browserOf(agent) {
  const browser = ['Edg', 'OPR', 'Firefox', 'Chrome', 'Safari', 'curl'].find((name) => agent.includes(name));
  const system = ['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS', 'Linux'].find((name) => agent.includes(name));
  const name = {Edg: 'Edge', OPR: 'Opera'}[browser] ?? browser;
  return [name ?? (agent || 'Unknown browser'), system && `on ${system}`].filter(Boolean).join(' ');
}
