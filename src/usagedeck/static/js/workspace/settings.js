/** `<ud-settings>`: the workspace's name and clock, its limits, how long its data is kept, and what is not kept of its events. */
import {css, html, nothing} from '../../vendor/lit.js';
import {base} from '../styles.js';
import {cardBody} from '../ui/card.js';
import {AreaPart, areaUrl} from './asking.js';
import {wholeOf} from './figures.js';
import {confirmation, sheetStyles} from './sheet.js';

const zones = () => Intl.supportedValuesOf('timeZone');
const days = (count) => `${count} ${count === 1 ? 'day' : 'days'}`;

class Settings extends AreaPart {
  static properties = {_said: {state: true}, _busy: {state: true}};

  static styles = [
    base,
    sheetStyles,
    css`
    :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; }
    .fields { display: grid; gap: 12px; max-width: 560px; }
    .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; align-items: start; }
    .saved { color: var(--ud-ok); }
    @container (width < 560px) { .pair { grid-template-columns: 1fr; } }
  `,
  ];

  constructor() {
    super();
    this._settings = this.listing();
    this._said = {};
  }

  willUpdate(changes) {
    super.willUpdate(changes);
    this._settings.ask(areaUrl(this.page, 'workspace/settings'));
  }

  render() {
    const {data} = this._settings;
    if (!data) return html`<section class="card"><h2 tabindex="-1">Settings</h2>${cardBody([this._settings], 320, () => nothing)}</section>`;
    return html`${this._card('workspace', 'Workspace', this._workspace(data), this._ofWorkspace)}
      ${this._card('kept', 'How long data is kept', this._kept(data), this._ofKept)}
      ${this._card('privacy', 'What is not kept of events', this._privacy(data), this._ofPrivacy)}
      ${this.sheet.render()}`;
  }

  _card(name, title, fields, take) {
    const said = this._said[name];
    return html`<section class="card" aria-labelledby=${name}><header><h2 id=${name} tabindex="-1">${title}</h2></header>
      <form class="fields" @submit=${(e) => this._onSubmit(e, name, take)} @input=${() => this._say(name, null)}>
        ${said?.message ? html`<div class="alert" role="alert">${said.message}</div>` : nothing}
        ${fields}
        <div class="row"><button class="button primary" ?disabled=${this._busy === name}>Save</button>
          <span class="saved small" role="status">${said === 'saved' ? 'Saved.' : ''}</span></div>
      </form></section>`;
  }

  _workspace(w) {
    return html`
      <label>Name<input class="field" name="name" required maxlength="200" autocomplete="off" .value=${w.name}></label>
      <label>Reporting time zone<input class="field" name="time_zone" list="zones" required autocomplete="off" spellcheck="false"
        .value=${w.time_zone}><span class="muted small">Days, weeks and months of all reports follow its clock.</span></label>
      <datalist id="zones">${zones().map((zone) => html`<option value=${zone}></option>`)}</datalist>
      <div class="pair">
        <label>Currency<input class="field" .value=${w.currency.toUpperCase()} disabled>
          <span class="muted small">It stays: amounts in another one need a workspace of their own.</span></label>
        <label>Billing day<input class="field" name="billing_day" type="number" min="1" max="31" required .value=${w.billing_day}>
          <span class="muted small">Billing periods begin on this day of the month, or on its last day.</span></label>
      </div>
      <label>Concurrency limit<input class="field" name="concurrency_limit" type="number" min="1" step="1" placeholder="None"
        .value=${w.concurrency_limit ?? ''}><span class="muted small">Drawn as a line in the chart of concurrent requests, which says how long it was exceeded.</span></label>
      <label>Credits a billing period<input class="field" name="credit_limit" type="number" min="0" step="1" placeholder="No limit"
        .value=${w.credit_limit ?? ''}><span class="muted small">Of everybody together.</span></label>`;
  }

  _ofWorkspace = (values) => ({
    name: values.get('name').trim(),
    time_zone: values.get('time_zone').trim(),
    billing_day: Number(values.get('billing_day')),
    concurrency_limit: wholeOf(values.get('concurrency_limit')),
    credit_limit: wholeOf(values.get('credit_limit')),
  });

  _kept(w) {
    const {formats} = this.page;
    const day = (text) => formats.dateOfUtc(Date.parse(text));
    return html`<div class="pair">
        <label>Events, days<input class="field" name="retention_days" type="number" min="1" max="36500" step="1" placeholder="For ever"
          .value=${w.retention_days ?? ''}><span class="muted small">Single requests and deliveries.</span></label>
        <label>Totals, days<input class="field" name="rollup_days" type="number" min="1" max="36500" step="1" placeholder="For ever"
          .value=${w.rollup_days ?? ''}><span class="muted small">What charts say of the time before; at least as long.</span></label>
      </div>
      ${
        w.exchange_days === null
          ? nothing
          : html`<label>Headers and bodies, days<input class="field" name="exchange_days" type="number" min="1" max="36500" step="1" required
          .value=${w.exchange_days}><span class="muted small">At most as long as their events.</span></label>`
      }
      ${
        w.events_from || w.events_expire_before
          ? html`<p class="muted small">${w.events_from ? `There are events from ${day(w.events_from)} (UTC) on. ` : ''}${
              w.events_expire_before ? `Those before ${day(w.events_expire_before)} expire next.` : ''
            }</p>`
          : nothing
      }`;
  }

  _ofKept = (values) => ({
    retention_days: wholeOf(values.get('retention_days')),
    rollup_days: wholeOf(values.get('rollup_days')),
    ...(values.has('exchange_days') ? {exchange_days: Number(values.get('exchange_days'))} : {}),
  });

  _privacy(w) {
    return html`
      <label>Fields, one on a line<textarea class="field mono" name="redactions" rows="4" spellcheck="false" placeholder="None"
        .value=${w.redactions.join('\n')}></textarea>
        <span class="muted small">Such as <code>path</code>, <code>user_agent</code>, <code>error_message</code> or
          <code>attributes.email</code>; of headers and bodies <code>header:x-customer</code>, <code>json:$.card.number</code> or
          <code>pattern:</code> and an expression. They are forgotten before an event is written, from now on.</span></label>
      <label class="tick"><input type="checkbox" name="exchanges" .checked=${w.exchanges}> <span>Keep headers and bodies
        <span class="muted small">Of requests and deliveries that bring them, without what looks like a secret.</span></span></label>
      <label class="tick"><input type="checkbox" name="full_ip" .checked=${w.full_ip}> <span>Keep whole IP addresses
        <span class="muted small">Else only the network, /24 or /48.</span></span></label>`;
  }

  _ofPrivacy = (values) => ({
    redactions: values.get('redactions').split('\n').map((line) => line.trim()).filter(Boolean),
    exchanges: values.has('exchanges'),
    full_ip: values.has('full_ip'),
  });

  // --- what is done

  _say(name, said) {
    if ((this._said[name] ?? null) !== said) this._said = {...this._said, [name]: said};
  }

  _onSubmit(event, name, take) {
    event.preventDefault();
    const form = event.target;
    const body = take(new FormData(form));
    const loss = name === 'kept' ? this._loss(body) : '';
    if (!loss) {
      this._save(name, body, form);
      return;
    }
    this.sheet.open(
      confirmation('Keep data for a shorter time?', loss, 'Let it expire', async () => {
        await this._save(name, body, form);
      }),
    );
  }

  /** What shorter ages take away. */
  _loss({retention_days: events, rollup_days: rollups, exchange_days: bodies = null}) {
    const w = this._settings.data;
    const shorter = (now, before) => now !== null && (before === null || now < before);
    const said = [];
    if (shorter(events, w.retention_days)) said.push(`Requests and deliveries older than ${days(events)}`);
    if (shorter(rollups, w.rollup_days)) said.push(`${said.length ? 'totals' : 'Totals'} older than ${days(rollups)}`);
    if (shorter(bodies, w.exchange_days)) said.push(`${said.length ? 'headers' : 'Headers'} and bodies older than ${days(bodies)}`);
    return said.length ? `${said.join(', and ')} expire and do not come back, not even when this is lengthened again.` : '';
  }

  async _save(name, body, form) {
    this._busy = name;
    this._say(name, null);
    try {
      await this.change('PATCH', 'workspace/settings', body);
      this._say(name, 'saved');
      this.dispatchEvent(new CustomEvent('ud-renewed', {bubbles: true, composed: true}));
    } catch (problem) {
      this._say(name, problem);
      if (problem.status === 401) this.dispatchEvent(new CustomEvent('ud-signed-out', {bubbles: true, composed: true}));
      form.elements.namedItem(problem.field ?? '')?.focus();
    }
    this._busy = null;
  }
}
customElements.define('ud-settings', Settings);
