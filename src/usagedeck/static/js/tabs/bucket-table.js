/** `<ud-bucket-table>`: the chart as a real table, a row per bucket and a column per series. */
import {LitElement, css, html, nothing} from '../../vendor/lit.js';
import {exactSum} from '../format.js';
import {base} from '../styles.js';

class BucketTable extends LitElement {
  static properties = {
    page: {attribute: false},
    /** @type {import('../types.js').ChartData} */
    data: {attribute: false},
    metric: {attribute: false},
    by: {attribute: false},
    name: {},
    cumulative: {type: Boolean},
    /** The total of everything, as answered. */
    overall: {attribute: false},
  };

  static styles = [
    base,
    css`
    :host { margin-bottom: 16px; }
    .scroll { max-height: 480px; }
    thead th { position: sticky; top: 0; background: var(--ud-surface); }
    tbody th { white-space: nowrap; }
  `,
  ];

  render() {
    const {page, metric, by, name, cumulative, overall} = this;
    const {formats} = page;
    const {edges, series, unit, asOf} = this.data;
    const adds = metric.additive && !by?.overlapping && series.length > 1;
    const past = edges.slice(0, -1).filter((e) => e < asOf).length;
    const rows = [...Array(past).keys()].toReversed();
    const foot = metric.additive && !cumulative;
    return html`<div class="scroll" role="region" aria-label="${name}, table" tabindex="0"><table>
      <caption class="only-read">${name}</caption>
      <thead><tr><th scope="col">${cumulative ? 'Up to the end of' : 'Time'}</th>${series.map(
        (s) => html`<th scope="col"
        class="number">${s.label}</th>`,
      )}
        ${adds ? html`<th scope="col" class="number">Total</th>` : nothing}</tr></thead>
      <tbody>${rows.map(
        (i) => html`<tr><th scope="row">${formats.bucket(edges[i], edges[i + 1], unit)}${
          edges[i + 1] > asOf ? html` <span class="muted small">in progress</span>` : nothing
        }</th>
        ${series.map((s) => html`<td class="number">${formats.value(s.cells[i], metric)}</td>`)}
        ${adds ? html`<td class="number">${formats.value(exactSum(series.map((s) => s.cells[i])), metric)}</td>` : nothing}</tr>`,
      )}</tbody>
      ${
        foot && !by?.overlapping
          ? html`<tfoot><tr><th scope="row">Total</th>${series.map(
              (s) =>
                html`<td class="number">${formats.value(
                  metric.type === 'Float' && series.length === 1 ? overall : exactSum(s.cells),
                  metric,
                )}</td>`,
            )}
        ${adds ? html`<td class="number">${formats.value(overall, metric)}</td>` : nothing}</tr></tfoot>`
          : nothing
      }</table></div>`;
  }
}
customElements.define('ud-bucket-table', BucketTable);
