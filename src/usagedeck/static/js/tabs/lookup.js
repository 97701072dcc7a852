/** `<ud-lookup>`: what looks like an id is looked up at once, by every column that has an index, over all time that is kept: the word
 * search beside it only knows the range. Shows nothing where nothing is found. */
import {LitElement, css, html, nothing} from '../../vendor/lit.js';
import {EVERYTHING, Question} from '../api.js';
import {is} from '../catalog.js';
import {rowsOf} from '../chart/figures.js';
import {byIdQuestion} from '../questions.js';
import {explicit} from '../ranges.js';
import {base} from '../styles.js';
import {statusBadge} from '../ui/cells.js';

const AROUND = 60_000;
const MOST = 3;
const NOUNS = {requests: 'request', deliveries: 'delivery attempt'};

class Lookup extends LitElement {
  static properties = {page: {attribute: false}, text: {}};

  static styles = [
    base,
    css`
    ul { list-style: none; margin: 0; padding: 0; }
    li { display: flex; align-items: baseline; gap: 8px; padding: 3px 0; min-width: 0; }
    li .grow { overflow-wrap: anywhere; }
    .card { padding: 10px 16px; margin-bottom: 12px; }
  `,
  ];

  constructor() {
    super();
    this._asked = new Map();
  }

  /** (subject, dimension) of every id that rows are found by. */
  get _places() {
    return Object.keys(NOUNS).flatMap((subject) =>
      this.page.catalog
        .dimensionsOf(subject)
        .filter((d) => d.indexed)
        .map((d) => [subject, d]),
    );
  }

  willUpdate() {
    for (const [subject, {name}] of this._places) {
      const place = `${subject} ${name}`;
      if (!this._asked.has(place)) this._asked.set(place, new Question(this));
      this._asked.get(place).ask(byIdQuestion(this.page, subject, {name, text: this.text, limit: MOST + 1}));
    }
  }

  render() {
    const found = this._places.flatMap(([subject, dimension]) => {
      const {data, loading} = this._asked.get(`${subject} ${dimension.name}`);
      return data && !loading ? this._rows(subject, dimension, rowsOf(data)) : [];
    });
    return found.length
      ? html`<section class="card" aria-label="Found by its id"><ul role="status">${found}</ul></section>`
      : nothing;
  }

  _rows(subject, {name, title}, rows) {
    const {page} = this;
    const all = {tab: 'log', of: subject, per: 'attempts', f: [is(name, this.text)], q: '', id: '', r: EVERYTHING};
    const more = html`<li class="small">${page.link(all, `All with this ${title}`)}</li>`;
    return [...rows.slice(0, MOST).map((row) => this._row(subject, title, row)), ...(rows.length > MOST ? [more] : [])];
  }

  _row(subject, title, row) {
    const {page} = this;
    const at = Date.parse(row.time);
    const go = {tab: 'log', of: subject, per: 'attempts', id: row.id, f: [], q: '', r: explicit(at - AROUND, at + AROUND)};
    const name = [row.method, row.path ?? row.url ?? row.id].filter(Boolean).join(' ');
    return html`<li>${row.status === null ? nothing : statusBadge(row.status)}
      <span class="grow"><span class="mono">${page.link(go, name)}</span>
        <span class="muted small">${NOUNS[subject]} with this ${title === 'ID' ? 'id' : title}</span></span>
      <span class="muted mono small">${page.formats.full(at)}</span></li>`;
  }
}
customElements.define('ud-lookup', Lookup);
