/** `<ud-webhooks>`: where deliveries go, how they fare, and what failed last. Nothing is delivered from here. */
import {css, html, nothing, repeat} from '../../vendor/lit.js';
import {rowsOf} from '../chart/figures.js';
import {base} from '../styles.js';
import {cardBody} from '../ui/card.js';
import {statusBadge} from '../ui/cells.js';
import '../ui/controls.js';
import {AreaPart, areaUrl} from './asking.js';
import {listStyles, since, tag} from './figures.js';
import {confirmation, sheetStyles} from './sheet.js';

const RANGE = '30d';
const AUTH = {hmac: 'A signature (HMAC)', oauth2: 'OAuth 2', mtls: 'A client certificate (mTLS)'};

const pathOf = ({id}) => `workspace/webhooks/${encodeURIComponent(id)}`;

class Webhooks extends AreaPart {
  static styles = [
    base,
    sheetStyles,
    listStyles,
    css`
    tbody th { min-width: 180px; }
    .events { max-width: 200px; overflow-wrap: anywhere; }
    .failure { min-width: 140px; }
  `,
  ];

  constructor() {
    super();
    this._hooks = this.listing();
    this._figures = this.listing();
    this._failed = this.listing();
  }

  willUpdate(changes) {
    super.willUpdate(changes);
    const {page} = this;
    this._hooks.ask(areaUrl(page, 'workspace/webhooks'));
    this._figures.ask(areaUrl(page, 'usage', {metric: 'deliveries,delivery_success_rate', by: 'webhook_id', interval: 'total', range: RANGE}));
    this._failed.ask(areaUrl(page, 'errors', {of: 'deliveries', limit: 200, range: RANGE}));
  }

  render() {
    return html`<section class="card" aria-labelledby="title"><header><div><h2 id="title" tabindex="-1">Webhooks</h2>
      <p class="muted small">Your sender delivers and reports every attempt; here is where it is told to go, and how it fares.</p></div>
      <div class="end"><button class="button primary" @click=${() => this._edit(null)}>Add a webhook</button></div></header>
      ${cardBody([this._hooks], 160, () => this._table(this._hooks.data.webhooks))}</section>${this.sheet.render()}`;
  }

  _table(hooks) {
    if (!hooks.length)
      return html`<div class="state"><p>There are no webhooks yet. Add one, and send its deliveries as events with its id as
        <code>webhook_id</code>.</p></div>`;
    const figures = new Map((this._figures.data ? rowsOf(this._figures.data) : []).map((row) => [row.webhook_id, row]));
    return html`<div class="scroll" role="region" aria-label="Webhooks, table" tabindex="0"><table>
      <caption class="only-read">Webhooks of the workspace. The number of deliveries opens them in the log.</caption>
      <thead><tr><th scope="col">Webhook</th><th scope="col">Events</th><th scope="col">State</th>
        <th scope="col" class="number">Deliveries, 30 days</th><th scope="col" class="number">Success</th><th scope="col">Last failure</th>
        <th><span class="only-read">Actions</span></th></tr></thead>
      <tbody>${repeat(
        hooks,
        (w) => w.id,
        (w) => html`<tr><th scope="row">${w.name}<br><code>${w.url}</code><br><code class="muted">${w.id}</code></th>
          <td class="events">${w.events.length ? w.events.join(', ') : html`<span class="muted">All</span>`}</td>
          <td>${this._state(w)}${w.retry_enabled ? html`<div class="muted small">Tried again</div>` : nothing}${
            w.request_headers.length
              ? html`<div class="muted small" title="Headers that go along with deliveries. Only your sender knows what is in them."
                >Headers: ${w.request_headers.join(', ')}</div>`
              : nothing
          }</td>
          <td class="number">${this._count(w, figures.get(w.id))}</td>
          <td class="number">${this._rate(figures.get(w.id))}</td>
          <td class="failure">${this._failure(w)}</td>
          <td class="end">${this._actions(w)}</td></tr>`,
      )}</tbody></table></div>`;
  }

  _state(w) {
    if (!w.disabled) return tag('s2', 'Enabled');
    return w.auto_disabled ? tag('s5', 'Disabled', 'It failed for too long.') : tag('s4', 'Disabled');
  }

  _count(w, row) {
    if (!this._figures.data) return '';
    if (!row) return '0';
    const f = [{dimension: 'webhook_id', op: 'eq', values: [w.id]}];
    const scope = this.page.me.views.at(-1);
    return this.page.link({tab: 'log', of: 'deliveries', per: 'deliveries', r: RANGE, f, q: '', id: '', scope}, this.page.formats.number(row.deliveries));
  }

  _rate(row) {
    return row?.delivery_success_rate === undefined || row.delivery_success_rate === null
      ? '—'
      : this.page.formats.percent(row.delivery_success_rate);
  }

  /** The newest that the deliveries know of, or else what the sender told. */
  _failure(w) {
    const rows = this._failed.data ? rowsOf(this._failed.data).filter((row) => row.webhook_id === w.id) : [];
    const newest = rows.sort((a, b) => Date.parse(b.last_seen) - Date.parse(a.last_seen))[0];
    if (newest && !(w.failed_at && Date.parse(w.failed_at) > Date.parse(newest.last_seen)))
      return html`${statusBadge(newest.status)} ${since(this.page, newest.last_seen)}${
        newest.message ? html`<div class="muted small">${newest.message}</div>` : nothing
      }`;
    if (w.failed_at) return html`${w.failed_status === null ? nothing : statusBadge(w.failed_status)} ${since(this.page, w.failed_at)}`;
    return html`<span class="muted">None</span>`;
  }

  _actions(w) {
    const acts = {
      change: () => this._edit(w),
      disable: () => this._disable(w),
      enable: () => this.now('PATCH', pathOf(w), {disabled: false}),
      remove: () => this._remove(w),
    };
    return html`<ud-menu kind="dots" label="More about ${w.name}" align="end" .items=${[
      {value: 'change', title: 'Change…'},
      w.disabled ? {value: 'enable', title: 'Enable'} : {value: 'disable', title: 'Disable…'},
      {value: 'remove', title: 'Remove…'},
    ]} @pick=${(e) => acts[e.detail]()}></ud-menu>`;
  }

  // --- what is done

  _edit(w) {
    this.sheet.open({
      title: w ? `Change “${w.name}”` : 'Add a webhook',
      body: () => html`<label>Name<input class="field" name="name" required maxlength="200" autocomplete="off" .value=${w?.name ?? ''}></label>
        <label>Address<input class="field mono" name="url" type="url" required maxlength="2000" placeholder="https://"
          .value=${w?.url ?? ''}></label>
        <label>Events, one on a line<textarea class="field mono" name="events" rows="3" spellcheck="false" placeholder="All"
          .value=${(w?.events ?? []).join('\n')}></textarea></label>
        <label>Its receiver knows you by<select class="field" name="auth">${Object.entries(AUTH).map(
          ([value, title]) => html`<option value=${value} ?selected=${value === (w?.auth ?? 'hmac')}>${title}</option>`,
        )}</select></label>`,
      action: w ? 'Save' : 'Add the webhook',
      act: async (values) => {
        const body = {
          name: values.get('name').trim(),
          url: values.get('url').trim(),
          events: values
            .get('events')
            .split('\n')
            .map((line) => line.trim())
            .filter(Boolean),
          auth: values.get('auth'),
        };
        await this.change(w ? 'PATCH' : 'POST', w ? pathOf(w) : 'workspace/webhooks', body);
      },
    });
  }

  _disable(w) {
    const text = 'Your sender is told not to deliver to it, until somebody enables it again. Its deliveries so far stay.';
    const act = async () => {
      await this.change('PATCH', pathOf(w), {disabled: true});
    };
    this.sheet.open(confirmation(`Disable “${w.name}”?`, text, 'Disable the webhook', act));
  }

  _remove(w) {
    const text = 'It is gone for good. Its deliveries and its name stay in charts and the log.';
    const act = async () => {
      await this.change('DELETE', pathOf(w));
    };
    this.sheet.open(confirmation(`Remove “${w.name}”?`, text, 'Remove the webhook', act));
  }
}
customElements.define('ud-webhooks', Webhooks);
