/** Numbers, durations and instants as text, through Intl, in the reader's language and the view's time zone.
 *
 * Exact amounts arrive as text and stay exact: Intl formats the text itself, and sums here are whole numbers of millionths.
 */

const MISSING = '—';
const SCALE = 6;
const TINY = 0.001;

/** What durations are told in, the longest first, in ms. */
const UNITS = [
  ['d', 864e5],
  ['h', 36e5],
  ['min', 6e4],
  ['s', 1000],
  ['ms', 1],
];

/** The unit of an axis of durations that reaches up to `most`, and how long it is. @returns {[string, number]} */
export const durationUnit = (most) => UNITS.find(([, length]) => most >= 2 * length) ?? UNITS.at(-1);

/** Exact sum of amounts given as text or whole numbers; null counts as nothing. Fractions that are floats are added as such. */
export function exactSum(cells) {
  if (cells.some((c) => typeof c === 'number' && !Number.isInteger(c))) return cells.reduce((a, b) => a + Number(b ?? 0), 0);
  let total = 0n;
  for (const cell of cells) {
    if (cell === null || cell === undefined) continue;
    const [, minus, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(cell));
    const units = BigInt(whole + fraction.padEnd(SCALE, '0'));
    total += minus ? -units : units;
  }
  const digits = String(total < 0n ? -total : total).padStart(SCALE + 1, '0');
  const fraction = digits.slice(-SCALE).replace(/0+$/, '');
  return (total < 0n ? '-' : '') + digits.slice(0, -SCALE) + (fraction && `.${fraction}`);
}

export class Formats {
  /** @param {string} zone IANA name @param {string} [locale] */
  constructor(zone, locale = navigator.language) {
    this.zone = zone;
    this.locale = locale;
    this._made = new Map();
  }

  _number(options) {
    const key = JSON.stringify(options);
    if (!this._made.has(key)) {
      // British short forms are "6m"; the page says 6M
      const locale = options.notation && this.locale.startsWith('en') ? 'en-US' : this.locale;
      this._made.set(key, new Intl.NumberFormat(locale, options));
    }
    return this._made.get(key);
  }

  _date(options, zone = this.zone) {
    const key = zone + JSON.stringify(options);
    if (!this._made.has(key))
      this._made.set(key, new Intl.DateTimeFormat(this.locale, {hourCycle: 'h23', timeZone: zone, ...options}));
    return this._made.get(key);
  }

  // --- numbers

  /** In full, with thousands separators; text is formatted exactly. */
  number(cell, most = SCALE) {
    return cell === null || cell === undefined ? MISSING : this._number({maximumFractionDigits: most}).format(cell);
  }

  /** A cell of a column or metric in its unit: `97.2 %`, `258 ms`, `$12.30`, `25,104`. */
  value(cell, {type, unit} = {}) {
    if (cell === null || cell === undefined) return MISSING;
    if (unit === 'ratio') return this.percent(cell);
    if (unit === 'ms') return this.duration(cell);
    if (unit === 's') return `${this.number(cell)} s`;
    if (unit && /^[a-z]{3}$/.test(unit) && type === 'Decimal') return this.money(cell, unit);
    return this.number(cell, type === 'Float' ? 2 : SCALE);
  }

  /** The same with its unit as a word where the figure alone would not tell: `647,888 credits`. */
  quantity(cell, {type, unit} = {}) {
    const text = this.value(cell, {type, unit});
    const plain =
      cell === null || !unit || ['ratio', 'ms', 's'].includes(unit) || (type === 'Decimal' && /^[a-z]{3}$/.test(unit));
    return plain ? text : `${text} ${String(cell) === '1' ? unit.replace(/s$/, '') : unit}`;
  }

  money(cell, currency) {
    return this._number({style: 'currency', currency: currency.toUpperCase(), maximumFractionDigits: SCALE}).format(cell);
  }

  /** Rates near 100 % show two decimals, the others one; those that would read as none at all, two digits. */
  percent(ratio) {
    if (ratio > 0 && ratio < TINY) return this._number({style: 'percent', maximumSignificantDigits: 2}).format(ratio);
    const digits = ratio >= 0.99 && ratio < 1 ? 2 : 1;
    return this._number({
      style: 'percent',
      minimumFractionDigits: ratio === 1 ? 0 : digits,
      maximumFractionDigits: digits,
    }).format(ratio);
  }

  /** `258 ms`, `1.61 s`, `5 min`, `11 m 58 s`, `3 h 12 m`, `2 d 4 h`. */
  duration(ms) {
    if (ms < 999.5) return `${this.number(ms, ms < 10 ? 1 : 0)} ms`;
    if (ms < 59_950) return `${this._number({minimumSignificantDigits: 2, maximumSignificantDigits: 3}).format(ms / 1000)} s`;
    for (const [i, [name, length]] of UNITS.entries()) {
      const [smaller, each] = UNITS[i + 1];
      const count = Math.round(ms / each);
      const whole = Math.floor((count * each) / length);
      const rest = count - (whole * length) / each;
      if (whole) return rest ? `${this.number(whole)} ${name} ${rest} ${smaller}`.replace('min', 'm') : `${this.number(whole)} ${name}`;
    }
  }

  /** The same of a single event, to the millisecond. */
  exactDuration(ms) {
    const exact = `${this.number(ms)} ms`;
    return ms < 60_000 ? exact : `${this.duration(ms)} (${exact})`;
  }

  /** Short, for an axis that reaches up to `most`: `12.4K`. */
  compact(value, {type, unit} = {}, most = value) {
    if (unit === 'ratio') {
      const digits = most < 10 * TINY ? {maximumSignificantDigits: 2} : {maximumFractionDigits: 1};
      return this._number({style: 'percent', ...digits}).format(value);
    }
    if (unit === 'ms') {
      const [name, length] = durationUnit(most);
      return `${this.number(value / length, 3)} ${name}`;
    }
    const options = {notation: 'compact', maximumSignificantDigits: 3};
    const money = unit && /^[a-z]{3}$/.test(unit) && type === 'Decimal';
    return this._number(money ? {...options, style: 'currency', currency: unit.toUpperCase()} : options).format(value);
  }

  // --- instants

  day(at) {
    return this._date({day: 'numeric', month: 'short'}).format(at);
  }

  month(at) {
    return this._date({month: 'short', year: 'numeric'}).format(at);
  }

  time(at) {
    return this._date({hour: '2-digit', minute: '2-digit'}).format(at);
  }

  /** `11:19:57.119`, the log's column. */
  clock(at) {
    return this._date({hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3}).format(at);
  }

  /** `23 Nov 2026, 11:19:49.696 CET` */
  full(at, zone = this.zone) {
    return this._date(
      {
        day: 'numeric',
        month: 'short',
        year: 'numeric',
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
        fractionalSecondDigits: 3,
        timeZoneName: 'short',
      },
      zone,
    ).format(at);
  }

  moment(at) {
    return this._date({day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit'}).format(at);
  }

  /** `25 Oct 2026` on the calendar of UTC. */
  dateOfUtc(at) {
    return this._date({day: 'numeric', month: 'short', year: 'numeric'}, 'UTC').format(at);
  }

  /** `2026-11-23` on the zone's calendar, as the API takes it. */
  isoDay = (at) => {
    const found = Object.fromEntries(this._fields.formatToParts(at).map((p) => [p.type, p.value]));
    return `${found.year.padStart(4, '0')}-${found.month}-${found.day}`;
  };

  /** Minutes past midnight on the zone's clock. */
  minuteOfDay(at) {
    const [h, m] = this._fields.formatToParts(at).filter((p) => p.type === 'hour' || p.type === 'minute');
    return Number(h.value) * 60 + Number(m.value);
  }

  get _fields() {
    this._parts ??= new Intl.DateTimeFormat('en-CA', {
      timeZone: this.zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
    });
    return this._parts;
  }

  /** What a bucket is called, by its interval. */
  bucket(start, end, unit) {
    if (unit === 'total') return this.period({start, end});
    if (unit === 'year') return this._date({year: 'numeric'}).format(start);
    if (unit === 'month') return this._date({month: 'long', year: 'numeric'}).format(start);
    if (unit === 'week') return this.period({start, end});
    if (unit === 'day') return this._date({weekday: 'short', day: 'numeric', month: 'short', year: 'numeric'}).format(start);
    return `${this._date({weekday: 'short', day: 'numeric', month: 'short'}).format(start)}, ${this.time(start)} – ${this.time(end)}`;
  }

  /** The days of a window, `25 Oct – 23 Nov 2026`; with times when it does not begin or end with a day. */
  period({start, end}, now = Infinity) {
    const from = typeof start === 'number' ? start : Date.parse(start);
    const to = typeof end === 'number' ? end : Date.parse(end);
    const midnight = (at) => this.minuteOfDay(at) === 0;
    if (midnight(from) && (midnight(to) || to >= now || to - from > 3 * 864e5)) {
      return this._date({day: 'numeric', month: 'short', year: 'numeric'}).formatRange(from, Math.max(from, to - 1));
    }
    return this._date({day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit'}).formatRange(
      from,
      to,
    );
  }

  /** `8 s ago` */
  ago(ms) {
    const seconds = Math.max(0, Math.round(ms / 1000));
    if (seconds < 60) return `${seconds} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ago`;
    return `${this.number(Math.floor(seconds / 86_400))} days ago`;
  }
}
