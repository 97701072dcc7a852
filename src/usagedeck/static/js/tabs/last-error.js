/** `<ud-last-error>`: the most recent failed attempt of a row of the table, as a way to it. */
import {LitElement, html} from '../../vendor/lit.js';
import {Question} from '../api.js';
import {rowsOf} from '../chart/figures.js';
import {attemptsQuestion} from '../questions.js';
import {base} from '../styles.js';
import {statusBadge} from '../ui/cells.js';

/** A failed attempt has a status, and it is not 2xx. */
const FAILED = [
  {dimension: 'status', op: 'ge', values: ['0']},
  {dimension: 'status_class', op: 'not_in', values: ['2xx']},
];

class LastError extends LitElement {
  static properties = {page: {attribute: false}, filters: {attribute: false}};

  static styles = base;

  constructor() {
    super();
    this._found = new Question(this);
  }

  willUpdate() {
    const {page, filters} = this;
    this._found.ask(attemptsQuestion(page, {filters: [...filters, ...FAILED], limit: 1, range: page.state.r}));
  }

  render() {
    const {page} = this;
    const row = this._found.data && rowsOf(this._found.data)[0];
    if (!row) return this._found.loading ? '' : '—';
    const ago = page.formats.ago(page.asOf - Date.parse(row.time));
    const go = {tab: 'log', per: 'attempts', r: page.state.r, f: this.filters, q: '', id: row.id};
    return html`<span class="row small">${statusBadge(row.status)}
      ${page.link(go, `${row.error_code ?? row.error_message ?? 'failed'}, ${ago}`)}</span>`;
  }
}
customElements.define('ud-last-error', LastError);
