/** `<ud-attempts>`: in the details of a delivery its attempts, in those of a request the deliveries that it caused with theirs. */
import {LitElement, css, html, nothing} from '../vendor/lit.js';
import {Question} from './api.js';
import {is} from './catalog.js';
import {rowsOf} from './chart/figures.js';
import {attemptsQuestion} from './questions.js';
import {explicit} from './ranges.js';
import {base} from './styles.js';
import {problemNote} from './ui/card.js';
import {statusBadge} from './ui/cells.js';

const AROUND = 60_000;
const MOST = 100;

class Attempts extends LitElement {
  static properties = {page: {attribute: false}, row: {attribute: false}};

  static styles = [
    base,
    css`
    section { margin-bottom: 16px; }
    h3 { margin-bottom: 6px; }
    table { font-size: 12px; }
    caption { text-align: start; padding: 6px 0 2px; overflow-wrap: anywhere; }
    td, th { padding-inline: 6px; }
    tr[aria-current] { background: var(--ud-accent-soft); }
  `,
  ];

  constructor() {
    super();
    this._attempts = new Question(this);
  }

  willUpdate() {
    const {page, row} = this;
    const filters =
      page.state.of === 'requests'
        ? [is('request_id', row.id)]
        : [is('message_id', row.message_id), is('webhook_id', row.webhook_id), is('user_id', row.user_id)];
    this._attempts.ask(attemptsQuestion(page, {filters, order: 'asc', limit: MOST}));
  }

  render() {
    const {data, error, loading} = this._attempts;
    const of = this.page.state.of === 'requests';
    const rows = data ? rowsOf(data) : [];
    if (!error && (loading ? !rows.length : of && !rows.length)) return nothing;
    const groups = Object.values(Object.groupBy(rows, (r) => JSON.stringify([r.webhook_id, r.message_id])));
    return html`<section><h3>${of ? 'Webhook deliveries' : 'Attempts'}</h3>
      ${error ? problemNote(error, () => this._attempts.retry()) : groups.map((group) => this._delivery(group, of))}
      ${data?.newer ? html`<p class="small muted">The first ${MOST} attempts.</p>` : nothing}</section>`;
  }

  _delivery(attempts, named) {
    const {page} = this;
    const [first] = attempts;
    const last = attempts.at(-1);
    const state = last.status === null ? 'no answer yet' : last.status >= 200 && last.status < 300 ? 'delivered' : 'failed';
    const tries = `${attempts.length} ${attempts.length === 1 ? 'attempt' : 'attempts'}`;
    const about = [first.event_type, first.url ?? first.webhook_id].filter(Boolean).join(' to ');
    return html`<div class="scroll"><table>
      <caption>${named ? html`<span class="mono">${about}</span>: ` : nothing}${state}, ${tries}</caption>
      <thead><tr><th scope="col" class="number">#</th><th scope="col">Time</th><th scope="col">Status</th>
        <th scope="col" class="number">Took</th><th scope="col">Error</th></tr></thead>
      <tbody>${attempts.map((one, i) => this._attempt(one, i, Date.parse(one.time) - Date.parse(first.time)))}</tbody></table></div>`;
  }

  _attempt(one, i, after) {
    const {page} = this;
    const {formats} = page;
    const at = Date.parse(one.time);
    const go = {tab: 'log', of: 'deliveries', per: 'attempts', id: one.id, f: [], q: '', r: explicit(at - AROUND, at + AROUND)};
    const name = i ? `+${formats.value(after, {unit: 'ms'})}` : `${formats.day(at)}, ${formats.clock(at)}`;
    return html`<tr aria-current=${one.id === page.state.id ? 'true' : nothing}><td class="number">${one.attempt ?? i + 1}</td>
      <td class="mono"><span title=${formats.full(at)}>${page.link(go, name)}</span></td>
      <td>${one.status === null ? '—' : statusBadge(one.status)}</td>
      <td class="number">${one.duration_ms === null ? '—' : formats.value(one.duration_ms, {unit: 'ms'})}</td>
      <td title=${one.error_message ?? nothing}>${one.error_code ?? one.error_message ?? '—'}</td></tr>`;
  }
}
customElements.define('ud-attempts', Attempts);
