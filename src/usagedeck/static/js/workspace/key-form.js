/** What is asked when a key is made or changed, and what is sent of it. */
import {html, nothing} from '../../vendor/lit.js';
import {wholeOf} from './figures.js';

const DAY = 86_400_000;

/** What permissions are called, and what they let somebody do. */
export const PERMISSIONS = {
  events_write: {title: 'Send events', help: 'For your API, or the middleware in front of it.'},
  analytics_read: {title: 'Read usage', help: 'Of its owner; of the whole workspace if it has none.'},
  workspace_analytics_full_read: {title: 'Read all usage', help: 'Of everybody in the workspace.'},
  audit_log_read: {title: 'Read the audit log', help: 'Who did what in the workspace.'},
  user_read: {title: 'Read its user', help: 'Who it belongs to, and what is left of their credits.'},
  workspace_members_read: {title: 'Read members', help: 'Who is in the workspace, and in which groups.'},
  workspace_manage: {title: 'Manage the workspace', help: 'Members, keys, webhooks and settings, as an admin.'},
};

/** `Send events, read usage` */
export const mayBe = (names) => {
  const known = Object.keys(PERMISSIONS).filter((name) => names.includes(name));
  const titles = [...known.map((name) => PERMISSIONS[name].title), ...names.filter((name) => !(name in PERMISSIONS))];
  return titles.map((title, i) => (i ? title[0].toLowerCase() + title.slice(1) : title)).join(', ');
};
const USUAL = ['events_write', 'analytics_read'];

/** Ticks for permissions; those that the reader cannot give say so. */
export const permissionTicks = (names, chosen, grantable) =>
  names.map((name) => {
    const closed = !grantable.includes(name);
    return html`<label class="tick" aria-disabled=${closed ? 'true' : nothing}><input type="checkbox" name="permissions" value=${name}
      .checked=${chosen.includes(name)} ?disabled=${closed}>
      <span>${PERMISSIONS[name]?.title ?? name} <span class="muted small">${
        closed ? 'You do not have this yourself.' : PERMISSIONS[name]?.help
      }</span></span></label>`;
  });

/** @param {?object} key as it is; null for a new one */
export function keyFields(key, {page, me, people, bots, manages}) {
  const label = html`<label>Label<input class="field" name="label" required maxlength="200" autocomplete="off" .value=${key?.label ?? ''}
    placeholder="What it is for"></label>`;
  if (key && !manages) return label;
  const owner = key ? key.user_id : me.user.id;
  return html`${label}
    ${
      manages
        ? html`<label>Owner<select class="field" name="user">
      <option value="" ?selected=${!owner}>Nobody: it sees the whole workspace</option>
      ${people.map(
        (m) => html`<option value=${m.user_id} ?selected=${m.user_id === owner}>${m.email || m.name || m.user_id}${
          m.user_id === me.user.id ? ' (you)' : ''
        }</option>`,
      )}
      ${bots.map((b) => html`<option value=${b.id} ?selected=${b.id === owner}>${b.name} (service account)</option>`)}
      ${
        owner && ![...people.map((m) => m.user_id), ...bots.map((b) => b.id)].includes(owner)
          ? html`<option value=${owner} selected>${owner}</option>`
          : nothing
      }
    </select></label>`
        : nothing
    }
    <fieldset><legend>It may</legend>${permissionTicks(Object.keys(PERMISSIONS), key?.permissions ?? USUAL, me.grantable)}</fieldset>
    <label>Works until<select class="field" name="expires_at">
      ${key?.expires_at ? html`<option value=${key.expires_at} selected>${page.formats.moment(Date.parse(key.expires_at))}</option>` : nothing}
      <option value="" ?selected=${!key?.expires_at}>It is revoked</option>
      ${[7, 30, 90, 365].map((days) => html`<option value=${days}>${days} days from now</option>`)}
    </select></label>
    <label>Networks it may be used from<textarea class="field mono" name="allowed_ips" rows="2" spellcheck="false"
      placeholder="Everywhere. Or: 203.0.113.7 198.51.100.0/24" .value=${(key?.allowed_ips ?? []).join('\n')}></textarea></label>
    <label>Credits a billing period<input class="field" name="credit_limit" type="number" min="0" step="1" placeholder="No limit"
      .value=${key?.credit_limit ?? ''}></label>`;
}

/** What is sent: of a key that is there, what was changed. */
export function keyBody(values, page, {manages, key = null}) {
  const label = values.get('label').trim();
  if (key && !manages) return {label};
  const expires = values.get('expires_at');
  const body = {
    label,
    permissions: values.getAll('permissions'),
    expires_at: /^\d+$/.test(expires) ? page.now() + Number(expires) * DAY : expires || null,
    allowed_ips: values.get('allowed_ips').split(/[\s,]+/).filter(Boolean),
    credit_limit: wholeOf(values.get('credit_limit')),
    ...(manages ? {user: values.get('user') || null} : {}),
  };
  if (!key) return body;
  // what the reader cannot grant is no tick that was taken away
  body.permissions.push(...key.permissions.filter((name) => !page.me.grantable.includes(name)));
  const same = (name, value) => JSON.stringify([key[name === 'user' ? 'user_id' : name] ?? null].flat().sort()) === JSON.stringify([value].flat().sort());
  return Object.fromEntries(Object.entries(body).filter(([name, value]) => !same(name, value)));
}
