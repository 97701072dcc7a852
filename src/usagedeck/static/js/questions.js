/** Questions of what is opened on a tab: why something changed, what failed, one row and what lies
 * beside it, attempts to deliver, what arrives. */
import {EVERYTHING, about, question, urlOf} from './api.js';
import {is} from './catalog.js';

const ATTEMPT = [
  ...['id', 'time', 'attempt', 'status', 'duration_ms', 'error_code', 'error_message'],
  ...['webhook_id', 'message_id', 'event_type', 'url'],
];

/** Why the metric of the state changed: which dimension tells it, or the values of one. */
export const whyQuestion = (page, path, asked) => {
  const {why, vs} = page.state;
  return question(path, page, {metric: why, before: vs, ...asked}, {subject: page.catalog.metric(why).of});
};

/** What failed. */
export const errorsQuestion = (page, limit) =>
  question('errors', page, {of: page.state.of, limit}, {subject: page.state.of});

/** Attempts to deliver webhooks. @param {{filters: object[], order?: string, limit: number, range?: string}} asked */
export const attemptsQuestion = (page, {filters, order, limit, range = EVERYTHING}) =>
  urlOf('/api/v1/deliveries', {columns: ATTEMPT.join(), order, limit, ...about(page, 'deliveries', {range, filters})});

const SHORT = {requests: 'id,time,method,path,status', deliveries: 'id,time,url,status'};

/** The newest rows with an id, whenever they were. */
export const byIdQuestion = (page, subject, {name, text, limit}) =>
  urlOf(`/api/v1/${subject}`, {
    columns: SHORT[subject],
    limit,
    ...about(page, subject, {range: EVERYTHING, filters: [is(name, text)]}),
  });

/** One row of the log, whenever it was. */
export const rowQuestion = (page, subject, id) =>
  urlOf(`/api/v1/${subject}`, {
    limit: 1,
    ...about(page, subject, {range: EVERYTHING, filters: [is('id', id)]}),
  });

/** What a row of the log sent and got. */
export const exchangeQuestion = (page, {id, time}) => {
  const {scope, workspace} = about(page, page.state.of);
  return urlOf(`/api/v1/log/${page.state.of}/${encodeURIComponent(id)}`, {time, scope, workspace});
};

/** A few requests beside one. */
export const relatedQuestion = (page, {limit, ...which}) =>
  urlOf('/api/v1/requests', {columns: SHORT.requests, limit, ...about(page, 'requests', which)});

/** The rows of the log as they arrive. */
export function tailQuestion(page, columns) {
  const {as_of: _, ...which} = about(page, page.state.of, {search: page.state.q});
  return urlOf('/api/v1/log/tail', {of: page.state.of, columns, ...which});
}
