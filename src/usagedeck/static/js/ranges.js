/** Ranges of time by the API's names: what they are called, how ‹ › moves them, and how finely they may be cut.
 *
 * Which instants a range means is the server's to say (`window` in every answer); calendars here are plain dates.
 */

const MINUTE = 60e3;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const PRESETS = [
  ['1h', 'Last hour'],
  ['24h', 'Last 24 hours'],
  ['7d', 'Last 7 days'],
  ['30d', 'Last 30 days'],
  ['90d', 'Last 90 days'],
  ['12mo', 'Last 12 months'],
  ['month', 'This month'],
  ['last-month', 'Last month'],
  ['year', 'This year'],
  ['billing', 'Billing period'],
  ['billing-1', 'Last billing period'],
];

/** `calendar` ones may touch one bucket more than fits; `special` ones are offered by single cards only. */
const INTERVALS = [
  {name: 'minute', title: '1 min', noun: '1-minute', length: MINUTE},
  {name: '300s', title: '5 min', noun: '5-minute', length: 5 * MINUTE},
  {name: '900s', title: '15 min', noun: '15-minute', length: 15 * MINUTE},
  {name: 'hour', title: 'Hour', noun: 'hourly', length: HOUR},
  {name: '21600s', title: '6 h', noun: '6-hour', length: 6 * HOUR, special: true},
  {name: 'day', title: 'Day', noun: 'daily', length: DAY, calendar: true},
  {name: 'week', title: 'Week', noun: 'weekly', length: 7 * DAY, calendar: true},
  {name: 'month', title: 'Month', noun: 'monthly', length: 30 * DAY, calendar: true},
  {name: 'year', title: 'Year', noun: 'yearly', length: 365 * DAY, calendar: true},
];

const MAX_POINTS = 750;
const byName = new Map(INTERVALS.map((i) => [i.name, i]));
export const interval = (name) => byName.get(name);

const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text);
const plus = (day, days) => new Date(Date.parse(`${day}T00:00Z`) + days * DAY).toISOString().slice(0, 10);
const between = (a, b) => Math.round((Date.parse(`${b}T00:00Z`) - Date.parse(`${a}T00:00Z`)) / DAY);
const month = (text, step) => {
  const [y, m] = text.split('-').map(Number);
  const count = y * 12 + m - 1 + step;
  return `${Math.floor(count / 12)}-${String((count % 12) + 1).padStart(2, '0')}`;
};
const instant = (text) => (/^-?\d{5,16}$/.test(text) ? Number(text) : Date.parse(isDay(text) ? `${text}T00:00Z` : text));

/** Can the API read it? Cheap and a little generous: the server has the last word. */
export function isRange(text) {
  if (/^([1-9]\d{0,3})(h|d|mo)$/.test(text)) return Number.parseInt(text, 10) <= 4000;
  if (/^(month|last-month|year|billing(-\d{1,3})?|[12]\d{3}(-(0[1-9]|1[0-2]))?)$/.test(text)) return true;
  const [, a, b] = /^(.*)\.\.(.*)$/.exec(text) ?? [];
  if (a === undefined || (!a && !b)) return false;
  const ok = (t) =>
    !t || (Number.isFinite(instant(t)) && (isDay(t) ? plus(t, 0) === t : /^\d+$/.test(t) || /(Z|[+-]\d\d:?\d\d)$/i.test(t)));
  return ok(a) && ok(b) && !(a && b && instant(b) < instant(a));
}

/** About how long a range is, in ms: enough to choose how finely to cut it. */
export function span(range, now) {
  const counted = /^(\d+)(h|d|mo)$/.exec(range);
  if (counted) return Number(counted[1]) * {h: HOUR, d: DAY, mo: 30.4 * DAY}[counted[2]];
  if (range.includes('..')) {
    const [a, b] = range.split('..');
    return (b ? instant(b) : now) - (a ? instant(a) : 0);
  }
  if (/^year$|^\d{4}$/.test(range)) return 365 * DAY;
  return 31 * DAY;
}

const pieces = (ms, {length, calendar}) => Math.ceil(ms / length) + (calendar ? 1 : 0);

/** The intervals worth offering for that length: 2 to 750 buckets, and nothing under an hour for days. */
export function offered(ms) {
  return INTERVALS.filter(
    (i) =>
      !i.special &&
      pieces(ms, i) >= 2 &&
      pieces(ms, i) <= MAX_POINTS &&
      (i.length >= HOUR || ms <= 2 * DAY) &&
      (!i.calendar || ms >= i.length),
  );
}

/** The finest of the usual intervals that gives at most `most` buckets; of the special ones, too, when they are wanted. */
export function finest(ms, most, {special = false} = {}) {
  return INTERVALS.find((i) => (special || !i.special) && Math.ceil(ms / i.length) <= most) ?? INTERVALS.at(-1);
}

/** The wanted interval, or the next coarser one that stays within the most points a chart shows. */
export function fitting(name, ms) {
  const from = INTERVALS.findIndex((i) => i.name === name);
  return INTERVALS.slice(from).find((i) => pieces(ms, i) <= MAX_POINTS) ?? INTERVALS.at(-1);
}

/** What the button says: the preset's name, else the days or instants themselves. */
export function rangeTitle(range, window, formats) {
  return PRESETS.find(([name]) => name === range)?.[1] ?? (window ? formats.period(window) : range);
}

/**
 * The range one period earlier (-1) or later (+1), spelled explicitly; null when it would begin in the future.
 * @param {string} range @param {(instant: number) => string} dayOf the calendar day of an instant in the view's zone
 * @param {number} now
 */
export function stepped(range, dayOf, now, direction) {
  const today = dayOf(now);
  const [, count, unit] = /^(\d+)(h|d|mo)$/.exec(range) ?? [];
  const back = /^billing(?:-(\d+))?$/.exec(range);
  const calendar = {month: today.slice(0, 7), 'last-month': month(today, -1), year: today.slice(0, 4)}[range] ?? range;
  if (direction > 0 && (unit || range === 'billing')) return null;
  if (back) {
    const ago = Number(back[1] ?? 0) - direction;
    return ago ? `billing-${ago}` : 'billing';
  }
  if (unit === 'mo') return `${month(today, 1 - 2 * count)}-01..${month(today, 1 - count)}-01`;
  if (unit === 'd') return `${plus(today, 1 - 2 * count)}..${plus(today, 1 - count)}`;
  if (/^\d{4}(-\d\d)?$/.test(calendar)) {
    const next = calendar.length === 4 ? String(Number(calendar) + direction) : month(calendar, direction);
    return next > today ? null : next;
  }
  const [a, b] = unit ? ['', ''] : range.split('..');
  if (isDay(a) && isDay(b)) return steppedDays(a, b, today, direction);
  const end = b ? instant(b) : now;
  const start = unit ? now - count * HOUR : a ? instant(a) : 0;
  const length = (end - start) * direction;
  return direction > 0 && end >= now ? null : explicit(Math.max(0, start + length), Math.max(0, end + length));
}

function steppedDays(a, b, today, direction) {
  const days = between(a, b);
  const [from, to] = [plus(a, days * direction), plus(b, days * direction)];
  if (from > today) return null;
  const preset = `${days}d`;
  return to === plus(today, 1) && PRESETS.some(([name]) => name === preset) ? preset : `${from}..${to}`;
}

/** A range of two instants. */
export const explicit = (start, end) => `${short(start)}..${short(end)}`;
const short = (at) => new Date(at).toISOString().replace(':00.000Z', 'Z').replace('.000Z', 'Z');

/** A range of whole days, both included. */
export const ofDays = (first, last) => `${first}..${plus(last, 1)}`;

/** The last day inside a window that ends at midnight of the next. */
export const lastDay = (window, dayOf) => dayOf(Math.max(Date.parse(window.start), Date.parse(window.end) - 1));
