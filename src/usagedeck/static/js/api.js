/** Questions: how they are spelled, asked and kept. The only module that fetches.
 *
 * Answers are JSON; refusals become a `Problem` that says what to show. */
import {formatFilter} from './catalog.js';

const RETRIES = 2;
const KEPT = 60;

/** Why there is no answer. `status` 0: the server could not be reached. */
export class Problem extends Error {
  /** @param {{status: number, detail: string, code?: string, field?: string, request_id?: string}} about */
  constructor({status, detail, code = '', field = null, request_id: id = ''}) {
    super(detail);
    Object.assign(this, {status, code, field, requestId: id});
  }
}

/** Path and parameters as an address; empty ones are left out, lists are repeated. */
export function urlOf(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== '' && one !== false) query.append(name, one);
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** The same question as a download: `.csv` behind the path. */
export const asCsv = (url) => url.replace(/(\?|$)/, '.csv$1');

/** One answer, or a `Problem`. */
export async function call(url, options) {
  let response;
  try {
    response = await fetch(url, {credentials: 'same-origin', headers: {accept: 'application/json'}, ...options});
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem({
      status: 0,
      code: 'unreachable',
      detail: 'The server cannot be reached. Check the connection and try again.',
    });
  }
  if (response.ok) return response;
  const trace = response.headers.get('x-trace-id') ?? '';
  const said = await response.json().catch(() => ({}));
  const problem = new Problem({
    status: response.status,
    request_id: trace,
    detail: `The server answered ${response.status}.`,
    ...said,
  });
  problem.retryAfter = Number(response.headers.get('retry-after') ?? 0);
  throw problem;
}

const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      {once: true},
    );
  });

/** The same; a server that is briefly too busy is asked again when it said to. */
export async function patiently(url, options) {
  const {signal} = options;
  for (let left = RETRIES; ; left--) {
    try {
      return await call(url, options);
    } catch (problem) {
      if (problem.status !== 429 || !left || !(problem.retryAfter <= 5)) throw problem;
      await pause(problem.retryAfter || 1, signal);
    }
  }
}

/** The answer to a question. */
export const get = async (url, signal) => (await patiently(url, {signal})).json();

const answers = new Map();

/** The same, remembered: one page asks the same question in several places, and going back shows at once what was shown. */
async function remembered(url, signal, fetch, partly) {
  if (answers.has(url)) return answers.get(url);
  const answer = await fetch(url, signal, partly);
  answers.set(url, answer);
  if (answers.size > KEPT) answers.delete(answers.keys().next().value);
  return answer;
}

/** Forget everything: somebody signed in or out. */
export const forget = () => answers.clear();

// --- what an element has asked

const SLOW = 150;

export class Question {
  /**
   * @param host the element that is rendered again whenever something changes
   * @param {(data: object) => void} [onData] told every answer
   * @param {(url: string, signal: AbortSignal, partly: (data: object) => void) => Promise<object>} [fetch] may tell parts before
   */
  constructor(host, onData = () => {}, fetch = get) {
    this.host = host;
    this.onData = onData;
    this._get = fetch;
    this.url = null;
    this.data = null;
    /** @type {?Problem} */
    this.error = null;
    this.loading = false;
    this.slow = false;
    /** Until there is something to show, or nothing to wait for. */
    this.begun = Promise.resolve();
    host.addController(this);
  }

  hostConnected() {}

  hostDisconnected() {
    this._stop();
    if (this.loading) this.url = null;
    this.loading = false;
  }

  /** Ask, unless this very question is being asked or has been answered; null takes the question back. */
  ask(url) {
    if (url === this.url) return;
    this._stop();
    this.url = url;
    this.error = null;
    this.slow = false;
    this.loading = Boolean(url);
    if (!url) this.data = null;
    else {
      this.begun = new Promise((begin) => {
        this._begin = begin;
      });
      this._asking = this._fetch(url);
    }
  }

  /** Ask the same again; settled when it is answered, or has failed. */
  retry() {
    const {url} = this;
    this.url = null;
    this.ask(url);
    this.host.requestUpdate();
    return this._asking;
  }

  /** Be content with what is there. */
  stop() {
    this._stop();
    this.loading = false;
    this.host.requestUpdate();
  }

  _stop() {
    this.partial = false;
    this._begin?.();
    this._abort?.abort();
    clearTimeout(this._timer);
  }

  _answer(url, signal, partly) {
    return remembered(url, signal, this._get, partly);
  }

  async _fetch(url) {
    const abort = new AbortController();
    this._abort = abort;
    this._timer = setTimeout(() => {
      this.slow = true;
      this.host.requestUpdate();
    }, SLOW);
    try {
      const take = (data) => {
        if (abort.signal.aborted) return;
        this.data = data;
        this.onData(data);
        this._begin();
        this.host.requestUpdate();
      };
      const data = await this._answer(url, abort.signal, (part) => {
        this.partial = true;
        take(part);
      });
      if (abort.signal.aborted) return;
      this.partial = false;
      take(data);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.error = error;
      this._begin();
      if (error.status === 401) this.host.dispatchEvent(new CustomEvent('ud-signed-out', {bubbles: true, composed: true}));
    }
    clearTimeout(this._timer);
    this.loading = false;
    this.slow = false;
    this.host.requestUpdate();
  }
}

// --- what a state means in the words of the API

export const EVERYTHING = '2000-01-01..';

/** What all questions of a view share: whose rows, which ones, when, and on which clock. */
export function about(page, subject, {range, start, end, search = '', filters = page.state.f} = {}) {
  const {state, me, catalog, asOf} = page;
  const active = state.active === 'on' && subject === state.of && !range && {active_in: state.r};
  const window = start ? {start, end} : active || {range: range ?? state.r};
  const fitting = filters.filter((f) => catalog.applies(f, subject, state));
  return {
    ...window,
    time_zone: state.tz === me.workspace.time_zone ? '' : state.tz,
    filter: fitting.map(formatFilter),
    search,
    scope: state.scope,
    workspace: me.workspaces.length > 1 ? state.workspace : '',
    as_of: new Date(asOf).toISOString(),
  };
}

/** Any question about the rows of a view. */
export const question = (path, page, asked, {subject = 'requests', ...which} = {}) =>
  urlOf(`/api/v1/${path}`, {...asked, ...about(page, subject, which)});

/** Metrics over time. @param {{metric: string, by?: string, interval: string, top?: string|number, cumulative?: boolean}} asked */
export const usageQuestion = (page, asked, which) => question('usage', page, asked, which);

/** What a row of the log is: a metric that counts rows has its name. */
export const counted = ({state: {of, per}}) => (of === 'requests' ? of : per);

/** A page of the log. */
export const logQuestion = (page, {columns, cursor, limit}) =>
  urlOf(`/api/v1/${page.state.of}`, {
    per: counted(page) === 'deliveries' && 'deliveries',
    columns,
    cursor,
    limit,
    ...about(page, page.state.of, {search: page.state.q}),
  });

/** Has this workspace ever received anything the reader may see? */
export const anythingQuestion = (page) =>
  urlOf('/api/v1/requests', {
    columns: 'time',
    limit: 1,
    ...about(page, 'requests', {range: EVERYTHING, filters: []}),
  });

/** Values of a dimension with counts; `ids`: only these, whenever they occurred. */
export function valuesQuestion(page, name, {subject = page.catalog.dimension(name).of[0], q = '', ids, without = null} = {}) {
  const which = ids
    ? {range: '12mo', filters: [{dimension: name, op: 'in', values: ids}]}
    : {filters: page.state.f.filter((f) => f !== without)};
  const per = !ids && page.catalog.asksWhole(page.state, subject) && 'deliveries';
  return urlOf(`/api/v1/values/${encodeURIComponent(name)}`, {q, of: subject, per, limit: 100, ...about(page, subject, which)});
}

// --- display names

export class Names {
  /** @param {() => void} changed called when a name was learnt that somebody may be waiting for */
  constructor(changed) {
    this._changed = changed;
    this._known = new Map();
    this._asked = new Set();
  }

  of(dimension, value) {
    return this._known.get(dimension)?.get(String(value)) ?? String(value);
  }

  /** Take the names out of any answer that has a column and its `…_label`. */
  learn({columns, rows}) {
    const index = new Map(columns.map((c, i) => [c.name, i]));
    for (const [name, at] of index) {
      const labelAt = index.get(`${name}_label`);
      if (labelAt === undefined) continue;
      const known = this._known.get(name) ?? new Map();
      const other = index.get('is_other');
      for (const row of rows) {
        if (row[at] !== null && row[labelAt] !== null && !row[other]) known.set(String(row[at]), row[labelAt]);
      }
      this._known.set(name, known);
    }
  }

  /** Ask once for names that no answer has brought. `question` makes the address for a dimension and its values. */
  async fetch(dimension, values, question) {
    const missing = values.filter((v) => v && !this._known.get(dimension)?.has(v));
    const key = `${dimension} ${missing.join()}`;
    if (!missing.length || this._asked.has(key)) return;
    this._asked.add(key);
    const known = this._known.get(dimension) ?? new Map();
    this._known.set(dimension, known);
    const answer = await get(question(dimension, missing)).catch(() => null);
    for (const [value, label] of answer?.rows ?? []) if (value !== null) known.set(value, label);
    if (answer?.rows.length) this._changed();
  }
}
