/** The URL is the state. This module is the only one that reads or writes `location`.
 *
 * Defaults are left out, unknown parameters are kept, and a value that makes no sense falls back with a notice. */
import {formatFilter, parseFilter} from './catalog.js';
import {interval, isRange} from './ranges.js';

/** @typedef {import('./types.js').State} State */

export const TABS = ['usage', 'analytics', 'log'];
/** Pages about the workspace and oneself, beside the tabs. */
export const AREAS = {
  members: 'Members',
  keys: 'API keys',
  webhooks: 'Webhooks',
  settings: 'Settings',
  audit: 'Audit log',
  sessions: 'My sessions',
};
export const PERIODS = {
  hour: {title: 'Hour', range: '1h', intervals: ['minute', '300s', '900s']},
  day: {title: 'Day', range: '24h', intervals: ['900s', 'hour']},
  month: {title: 'Month', range: '30d', intervals: ['21600s', 'day']},
  year: {title: 'Year', range: '12mo', intervals: ['week', 'day', 'month']},
};
const MAX_SPLIT = 2;

const choice = (...values) => ({first: values[0], ok: (v) => values.includes(v)});
/** Does the browser know this IANA zone? */
export const isZone = (name) => {
  try {
    return Boolean(new Intl.DateTimeFormat('en', {timeZone: name})) && !/^[+-]/.test(name);
  } catch {
    return false;
  }
};
const metricOf =
  (of) =>
  (v, {catalog}, s) =>
    catalog.metric(v)?.of === (of ?? s.of);
const splitOf = (of, s, name, {catalog}) => {
  const d = catalog.dimension(name);
  return Boolean(d?.split && d.of.includes(of) && !(d.workspace_only && s.scope === 'account'));
};
/** What the metrics of a tab are about. */
const explained = (s) => (s.tab === 'analytics' ? s.of : s.tab === 'usage' ? 'requests' : null);

/** In the order they are written. `first` is the default; `ok` says whether a value makes sense. `many` may be repeated. */
const PARAMETERS = {
  tab: choice(...TABS, ...Object.keys(AREAS)),
  workspace: {first: (_, {me}) => me.workspaces[0].id, ok: (v, {me}) => me.workspaces.some((w) => w.id === v)},
  scope: {
    first: (_, {me}) => (me.views.includes('workspace') ? 'workspace' : 'account'),
    ok: (v, {me}) => me.views.includes(v),
  },
  metric: {first: (_, {catalog}) => (catalog.metric('credits') ? 'credits' : catalog.metrics[0].name), ok: metricOf('requests')},
  by: {first: 'product_type', ok: (v, ctx, s) => v === 'none' || splitOf('requests', s, v, ctx)},
  g: {first: '', ok: (v) => v === 'cumulative' || Boolean(interval(v))},
  view: choice('chart', 'table'),
  scale: choice('linear', 'log'),
  top: {first: '8', ok: (v) => /^[1-9]\d{0,2}$/.test(v)},
  hide: {many: true},
  of: choice('requests', 'deliveries'),
  per: {first: (s) => (s.tab === 'log' ? 'attempts' : 'deliveries'), ok: (v) => v === 'deliveries' || v === 'attempts'},
  chart: {first: '', ok: metricOf(null)},
  split: {
    first: (s) => (s.chart ? 'none' : 'status_class'),
    ok: (v, ctx, s) => v === 'none' || splitOf(s.of, s, v, ctx),
  },
  dim: {
    first: (s) => (s.of === 'requests' ? 'method,route' : 'url'),
    ok: (v, ctx, s) => v.split(',').length <= MAX_SPLIT && v.split(',').every((name) => splitOf(s.of, s, name, ctx)),
  },
  why: {first: '', ok: (v, {catalog}, s) => catalog.metric(v)?.of === explained(s)},
  wby: {
    first: '',
    ok: (v, ctx, s) => splitOf(explained(s), s, v, ctx) && !ctx.catalog.dimension(v).overlapping,
  },
  vs: {first: '', ok: isRange},
  r: {first: (s) => (/usage|audit/.test(s.tab) ? '30d' : '24h'), ok: isRange},
  tz: {first: (_, {me}) => me.workspace.time_zone, ok: isZone},
  f: {many: true, read: (v, {catalog}) => parseFilter(v, catalog), write: formatFilter},
  q: {first: '', ok: (v) => v.length <= 500},
  active: {first: 'off', ok: (v, _, s) => v === 'off' || (v === 'on' && s.tab === 'log' && s.of === 'requests')},
  cursor: {first: '', ok: () => true},
  id: {first: '', ok: () => true},
  cols: {
    first: (s, {catalog}) => catalog.usualColumns(s),
    ok: (v, {catalog}, s) => v.split(',').every((name) => catalog.column(name, s)),
  },
  at: {many: true},
  density: choice('normal', 'compact'),
  live: choice('off', 'on'),
  rp: {first: 'day', ok: (v) => v in PERIODS},
  rg: {first: (s) => PERIODS[s.rp].intervals[0], ok: (v, _, s) => PERIODS[s.rp].intervals.includes(v)},
  cp: {first: 'day', ok: (v) => v in PERIODS},
  cg: {first: (s) => PERIODS[s.cp].intervals[0], ok: (v, _, s) => PERIODS[s.cp].intervals.includes(v)},
};
/** Later ones may depend on earlier ones, so scope, subject and periods are read first. */
const READ_ORDER = ['tab', 'workspace', 'scope', 'of', 'rp', 'cp', ...Object.keys(PARAMETERS)];

const first = (name, state, context) => {
  const {first: value, many} = PARAMETERS[name];
  return many ? [] : typeof value === 'function' ? value(state, context) : value;
};

/**
 * @param {string} search the query string
 * @param {{me: object, catalog: import('./catalog.js').Catalog}} context
 * @returns {{state: State, notices: string[], rest: string[][]}} `rest`: parameters of others, kept as they are
 */
export function parse(search, context) {
  const given = new URLSearchParams(search);
  const state = {};
  const notices = [];
  for (const name of READ_ORDER) {
    if (name in state) continue;
    const {many, read, ok} = PARAMETERS[name];
    const values = given.getAll(name);
    if (many) {
      state[name] = values.map((v) => (read ? read(v, context) : v)).filter((v) => v !== null);
      if (state[name].length < values.length) notices.push('A filter in the address makes no sense and was left out.');
      continue;
    }
    const value = values[0];
    const fits = value !== undefined && ok(value, context, state);
    state[name] = fits ? value : first(name, state, context);
    if (value !== undefined && !fits) {
      const why = name === 'scope' ? 'is not open to you' : 'makes no sense here';
      notices.push(`“${name}=${value.slice(0, 60)}” in the address ${why}; the default is shown.`);
    }
  }
  return {state, notices, rest: [...given].filter(([name]) => !(name in PARAMETERS))};
}

/** The query string of a state, with the parameters of others behind it. */
export function format(state, context, rest = []) {
  const pairs = [];
  for (const [name, {many, write}] of Object.entries(PARAMETERS)) {
    if (many) pairs.push(...state[name].map((v) => [name, write ? write(v) : v]));
    else if (state[name] !== first(name, state, context)) pairs.push([name, state[name]]);
  }
  const text = new URLSearchParams([...pairs, ...rest]).toString();
  return text.replace(/%3A/g, ':').replace(/%2C/g, ',').replace(/%2F/g, '/');
}

/** What else changes with a change: what no longer fits is dropped instead of contradicting it. */
export function changed(state, change, context) {
  const next = {...state, ...change};
  const touched = (...names) => names.some((n) => n in change && change[n] !== state[n]);
  if (touched('workspace', 'scope')) Object.assign(next, {hide: [], cursor: '', id: ''});
  if (touched('by', 'metric')) next.hide = [];
  if (touched('by')) next.top = first('top', next, context);
  if (touched('of', 'per', 'r', 'f', 'q', 'active')) next.cursor = '';
  if (touched('tab', 'of', 'workspace')) Object.assign(next, {why: '', wby: '', vs: ''});
  if (touched('tab', 'workspace')) next.at = [];
  if (touched('metric') && next.why) next.why = next.metric;
  if (touched('tab', 'of', 'workspace') && !('active' in change)) next.active = 'off';
  if (touched('chart') && !('split' in change) && state.split === first('split', state, context)) next.split = first('split', next, context);
  for (const name of ['rg', 'cg'])
    if (!(name in change) && touched(name.replace('g', 'p'))) next[name] = first(name, next, context);
  for (const name of ['by', 'dim', 'chart', 'split', 'wby', 'active']) {
    const follows = name !== 'by' && touched('of') && !(name in change);
    if (follows || (next[name] && !PARAMETERS[name].ok(next[name], context, next))) next[name] = first(name, next, context);
  }
  for (const name of ['r', 'per'])
    if (touched('tab') && !(name in change) && state[name] === first(name, state, context)) next[name] = first(name, next, context);
  // what is counted decides which columns there are: the usual ones stay the usual ones, of others those stay that there are
  const {catalog} = context;
  const usual = !('cols' in change) && (touched('of') || state.cols === catalog.usualColumns(state));
  const kept = usual ? [] : next.cols.split(',').filter((name) => catalog.column(name, next));
  next.cols = kept.join() || catalog.usualColumns(next);
  return next;
}

/** The address of a query string on this page. */
export const address = (query) => location.pathname + (query ? `?${query}` : '');
export const absolute = (query) => location.origin + address(query);
export const current = () => location.search;

/** Write the address; a deliberate change becomes a step of the browser's history, typing does not. */
export function write(query, {replace = false} = {}) {
  if (address(query) === location.pathname + location.search) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', address(query));
}

/** Call when the reader goes back or forward. @returns {() => void} stops listening */
export function onTravel(listener) {
  addEventListener('popstate', listener);
  return () => removeEventListener('popstate', listener);
}

// --- preferences of this browser, which are not part of a view; without storage they last as long as the page

const kept = new Map();

export function recall(name) {
  try {
    return localStorage.getItem(`usagedeck-${name}`);
  } catch {
    return kept.get(name) ?? null;
  }
}

export function keep(name, value) {
  kept.set(name, value);
  try {
    localStorage.setItem(`usagedeck-${name}`, value);
  } catch {
    // storage is closed to this page: the map above has it
  }
}
