/** `<ud-limit>`: how far the usage limit of what is shown is used up, in a sentence; and the line of it, for a chart that can have one.
 *
 * What is shown has a limit when it is all of one key, one member, one group, the account or the workspace. */
import {LitElement, css, html, nothing, svg} from '../../vendor/lit.js';
import {get} from '../api.js';
import {base} from '../styles.js';

const KINDS = {api_key_id: 'key', user_id: 'member', group_id: 'group'};
const NEAR = 0.8;
const WIDTH = 48;

/** Whose limit that is: kind and id; null when what is shown is no one's usage as a whole. Limits are on credits. */
function partyOf({state, me}) {
  if (state.metric !== 'credits' || state.f.length > 1) return null;
  if (!state.f.length) return state.scope === 'account' && me.user.id ? ['member', me.user.id] : ['workspace', me.workspace.id];
  const [{dimension, op, values}] = state.f;
  return KINDS[dimension] && ['eq', 'in'].includes(op) && values.length === 1 && values[0] ? [KINDS[dimension], values[0]] : null;
}

class Limit extends LitElement {
  static properties = {
    page: {attribute: false},
    /** First instant of running sums; nothing where there are none. */
    start: {attribute: false},
    _answer: {state: true},
    _problem: {state: true},
  };

  static styles = [
    base,
    css`
    :host { display: block; }
    svg { width: ${WIDTH}px; height: 6px; border-radius: 3px; margin-right: 4px; vertical-align: 1px; }
    .track { fill: var(--ud-surface-2); stroke: var(--ud-border-strong); }
    .ok { fill: var(--ud-accent); }
    .near { fill: var(--ud-warn); }
    .over { fill: var(--ud-err); }
    b.over { color: var(--ud-err); }
    b.near { color: var(--ud-warn); }
  `,
  ];

  willUpdate() {
    const {page} = this;
    const party = partyOf(page);
    const {state, me, asOf} = page;
    const asked = party && {kind: party[0], id: party[1], scope: state.scope};
    if (asked && me.workspaces.length > 1) asked.workspace = state.workspace;
    const url = asked && `/api/v1/limits?${new URLSearchParams(asked)}`;
    if (url !== this._url) [this._answer, this._problem] = [null, null];
    if (url === this._url && asOf === this._asOf) return;
    [this._url, this._asOf] = [url, asOf];
    if (url) this._ask(url, asOf);
  }

  /** Not remembered as other answers are: the address is the same whenever it is asked. */
  async _ask(url, asOf) {
    const current = () => this._url === url && this._asOf === asOf;
    try {
      const answer = await get(url);
      if (current()) [this._answer, this._problem] = [answer, null];
    } catch (problem) {
      if (current()) [this._answer, this._problem] = [null, problem];
    }
  }

  /** Cells of the limit by their columns; null when there is none. */
  get _found() {
    const row = this._answer?.rows[0];
    return row ? Object.fromEntries(this._answer.columns.map(({name}, i) => [name, row[i]])) : null;
  }

  /** Running sums from the start of the billing period: then the limit is a line above them. */
  get _inPeriod() {
    return Boolean(this.start) && this._answer?.window.start === this.start;
  }

  updated() {
    const line = this._url && this._inPeriod ? (this._found?.limit ?? 0) : 0;
    if (line === this._line) return;
    this._line = line;
    this.dispatchEvent(new CustomEvent('line', {detail: line}));
  }

  render() {
    const {page, _found: found, _answer: answer, _problem: problem} = this;
    if (!this._url) return nothing;
    if (problem) return html`The limit cannot be shown: ${problem.message}`;
    if (!found) return nothing;
    const {formats} = page;
    const used = Number(found.used);
    const share = found.limit ? used / found.limit : 1;
    const state = share >= 1 ? 'over' : share >= NEAR ? 'near' : 'ok';
    const day = {day: 'numeric', month: 'long', timeZone: answer.window.time_zone};
    const resets = new Intl.DateTimeFormat(formats.locale, day).format(Date.parse(answer.resets_at));
    const from = found.counted_from;
    return html`<span title="Used since ${formats.full(Date.parse(from ?? answer.window.start))}: ${formats.number(found.used)}">${svg`<svg viewBox="0 0 ${WIDTH} 6" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width=${WIDTH} height="6"></rect>
      <rect class=${state} width=${WIDTH * Math.min(1, share)} height="6"></rect></svg>`}<b
      class=${state}>${formats.percent(share)}</b> of ${formats.quantity(found.limit, {unit: 'credits'})}${
        Number(found.reserved) ? `, ${formats.number(found.reserved)} reserved` : nothing
      }, resets ${resets}</span>${
        this._inPeriod ? nothing : html` · ${page.link({r: 'billing', g: 'cumulative'}, 'Show the period')}`
      }`;
  }
}
customElements.define('ud-limit', Limit);
