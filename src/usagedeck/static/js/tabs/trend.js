/** A line beside every row of a table of totals: its count over the range. */
import {html, nothing} from '../../vendor/lit.js';
import {usageQuestion} from '../api.js';
import {overTime} from '../chart/figures.js';
import {spark} from '../chart/spark.js';
import {finest, interval, span} from '../ranges.js';

const MOST = 30;

/** The same rows as those of a question about totals, since they are ranked alike; only what ranks and what counts is asked. */
export function trendQuestion(page, {ranked, count, by, top}, which) {
  const {name} = finest(span(page.state.r, page.asOf), MOST, {special: true});
  return usageQuestion(page, {metric: [...new Set([ranked, count])].join(), by, interval: name, top}, which);
}

/** The amounts of every row by its key. Buckets that the range or the present cuts are left out: they would look like a fall. */
export function trends(answer, dimensions, metric) {
  const {edges, from, to, series} = overTime(answer, dimensions, metric);
  const whole = (_, i) => edges[i] >= from && edges[i + 1] <= to;
  return new Map(series.map((s) => [s.key, s.points.filter(whole)]));
}

/** What the lines are of. */
export const trendTitle = (answer, metric) => `${metric.title}, ${interval(answer.interval)?.noun ?? 'over time'}`;

/** @param {?number[]} amounts */
export function trendOf({formats}, amounts) {
  if (!amounts || amounts.length < 2) return nothing;
  const [least, most, last] = [Math.min(...amounts), Math.max(...amounts), amounts.at(-1)].map((n) => formats.number(n));
  return html`${spark(amounts)}<span class="only-read">${least} to ${most}, last ${last}</span>`;
}
