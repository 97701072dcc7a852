/** Roles: what they are called, what they mean, and the choice of one. */
import {html, nothing} from '../../vendor/lit.js';

export const ROLES = {
  owner: ['Owner', 'Sees and changes everything, owners included.'],
  admin: ['Admin', 'Sees and changes everything but owners.'],
  member: ['Member', 'Sees their own usage and has keys of their own.'],
  viewer: ['Viewer', 'Sees their own usage and has no keys.'],
};

/** @param {string} reason why the others cannot be chosen */
export const roleTicks = (chosen, open, reason) => html`<fieldset><legend>Role</legend>${Object.entries(ROLES).map(
  ([value, [title, help]]) => {
    const closed = !open.includes(value);
    return html`<label class="tick" aria-disabled=${closed ? 'true' : nothing}><input type="radio" name="role" value=${value}
      .checked=${value === chosen} ?disabled=${closed}>
      <span>${title} <span class="muted small">${closed ? reason : help}</span></span></label>`;
  },
)}</fieldset>`;
