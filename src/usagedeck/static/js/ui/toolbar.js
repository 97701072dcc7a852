/** The row above every tab: `<ud-filters>`, the filters as chips; `<ud-range>`, the range, its stepper and the zone; the way out as CSV. */
import {LitElement, css, html, nothing} from '../../vendor/lit.js';
import {valuesQuestion} from '../api.js';
import {filterWords, formatFilter, withFilter} from '../catalog.js';
import {PRESETS, lastDay, ofDays, rangeTitle, stepped} from '../ranges.js';
import {isZone} from '../state.js';
import {base} from '../styles.js';
import {follow, place} from './controls.js';

class FilterBar extends LitElement {
  static properties = {
    page: {attribute: false},
    /** requests or deliveries: filters of the other kind do not apply here. */
    subject: {},
    _edited: {state: true},
    _open: {state: true},
  };

  static styles = [
    base,
    css`
    :host { display: contents; }
    .chip {
      display: inline-flex; max-width: 100%; min-height: 32px; border: 1px solid var(--ud-border); border-radius: 8px;
      background: var(--ud-surface);
    }
    .chip button {
      border: 0; background: none; font: 400 13px/20px var(--ud-font); cursor: pointer; border-radius: 7px;
      min-width: 24px;
    }
    .chip button:hover { background: var(--ud-hover); }
    .chip button:first-child {
      padding: 0 2px 0 10px; min-width: 0; max-width: 340px; overflow: hidden; text-overflow: ellipsis;
      white-space: nowrap;
    }
    .chip button:last-child { padding: 0 8px; color: var(--ud-text-3); }
    .chip.idle { border-style: dashed; color: var(--ud-text-3); }
    .chip b { font-weight: 500; }
    [popover] { padding: 0; width: 320px; }
    @media (pointer: coarse) { .chip button { min-height: 44px; min-width: 44px; } }
  `,
  ];

  render() {
    const {page} = this;
    return html`
      ${
        page.state.active === 'on'
          ? html`<span class="chip" title="Requests that were active in the range, also those that began before it."><button
          @click=${this._began}>Active in this range</button><button aria-label="Active in this range, remove"
          @click=${this._began}>✕</button></span>`
          : nothing
      }
      ${page.state.f.map((filter) => {
        const [title, word, values] = filterWords(filter, page);
        const idle = !page.catalog.applies(filter, this.subject, page.state);
        const said = `Filter: ${title} ${word} ${values}`;
        const what = page.catalog.dimension(filter.dimension).of.includes(this.subject) ? 'attempts' : this.subject;
        return html`<span class="chip ${idle ? 'idle' : ''}" title=${idle ? `Does not apply to ${what}.` : nothing}>
          <button aria-label="${said}, edit" @click=${(e) => this._edit(filter, e.currentTarget.parentNode)}>
            <span class="muted">${title}</span> <span class="muted">${word}</span> <b>${values}</b></button>
          <button aria-label="${said}, remove" @click=${() => this._remove(filter)}>✕</button></span>`;
      })}
      <button class="button plain" id="add" aria-haspopup="dialog" aria-expanded=${Boolean(this._open && !this._edited)}
        aria-keyshortcuts="F"
        @click=${this.add}>+ Filter <kbd aria-hidden="true">F</kbd></button>
      <div popover id="editor" role="dialog" aria-label="Filter">
        ${
          this._open
            ? html`<ud-filter-editor .page=${page} .subject=${this.subject} .filter=${this._edited}
          @done=${this._onDone} @resized=${() => place(this.renderRoot.querySelector('#editor'), this._anchor)}></ud-filter-editor>`
            : nothing
        }</div>`;
  }

  updated() {
    const {page} = this;
    for (const {dimension, values} of page.state.f) {
      if (page.catalog.dimension(dimension).labelled && page.lists(dimension))
        page.names.fetch(dimension, values, (name, ids) => valuesQuestion(page, name, {ids}));
    }
  }

  /** Open the editor for a new filter. */
  add() {
    this._edit(null, this.renderRoot.querySelector('#add'));
  }

  async _edit(filter, anchor) {
    import('./filter-editor.js');
    const editor = this.renderRoot.querySelector('#editor');
    if (editor.matches(':popover-open')) editor.hidePopover();
    this._edited = filter;
    this._open = true;
    await this.updateComplete;
    this._anchor = anchor;
    const handler = follow(
      editor,
      anchor,
      'start',
      async () => {
        await customElements.whenDefined('ud-filter-editor');
        editor.querySelector('ud-filter-editor')?.focus();
      },
      () => {
        editor.removeEventListener('toggle', handler);
        if (this.renderRoot.activeElement && editor.contains(this.renderRoot.activeElement)) this._focusAnchor();
        this._open = false;
      },
    );
    editor.addEventListener('toggle', handler);
    editor.showPopover();
  }

  _focusAnchor() {
    const anchor = this._anchor?.isConnected ? this._anchor : this.renderRoot.querySelector('#add');
    (anchor.matches('button') ? anchor : anchor.querySelector('button')).focus();
  }

  _onDone({detail: filter}) {
    const {f} = this.page.state;
    this.renderRoot.querySelector('#editor').hidePopover();
    this.renderRoot.querySelector('#add').focus();
    if (filter && (!this._edited || formatFilter(filter) !== formatFilter(this._edited)))
      this.page.go({f: withFilter(f, filter, this._edited)});
  }

  _began() {
    this.page.go({active: 'off'});
  }

  _remove(filter) {
    this.renderRoot.querySelector('#add').focus();
    this.page.go({f: this.page.state.f.filter((f) => f !== filter)});
  }
}
customElements.define('ud-filters', FilterBar);

// --- the range

class RangePicker extends LitElement {
  static properties = {
    page: {attribute: false},
    /** The window as answered; null before the first answer. */
    window: {attribute: false},
    _open: {state: true},
  };

  static styles = [
    base,
    css`
    :host { display: flex; flex-wrap: wrap; gap: 8px; }
    .stepper { display: flex; }
    .stepper > .button { border-radius: 0; margin-left: -1px; }
    .stepper > .button:first-child { border-radius: 8px 0 0 8px; margin: 0; }
    .stepper > .button:last-of-type { border-radius: 0 8px 8px 0; }
    .stepper > .icon { min-width: 28px; }
    .stepper > .button:focus-visible { z-index: 1; }
    .list { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; }
    .list button {
      min-height: 32px; padding: 4px 10px; border: 0; border-radius: 6px; background: none;
      font: 400 13px/20px var(--ud-font); text-align: left; cursor: pointer;
    }
    .list button:hover { background: var(--ud-hover); }
    .list button[aria-pressed="true"] { background: var(--ud-accent-soft); color: var(--ud-accent-2); font-weight: 500; }
    form {
      display: grid; grid-template-columns: 1fr 1fr; gap: 8px; padding: 8px; border-top: 1px solid var(--ud-border);
      margin-top: 4px;
    }
    form label { display: grid; gap: 2px; font-size: 12px; color: var(--ud-text-2); }
    form .wide { grid-column: 1 / -1; justify-content: center; }
    [popover] { width: 340px; }
    .zones { align-self: start; }
  `,
  ];

  render() {
    const {page, window} = this;
    const {state, formats} = page;
    const later = this._stepped(1);
    return html`
      <div class="stepper" role="group" aria-label="Range">
        <button class="button icon" aria-label="Earlier period" @click=${() => page.go({r: this._stepped(-1)})}>‹</button>
        <button class="button" popovertarget="ranges" aria-haspopup="dialog" aria-expanded=${Boolean(this._open)}
          ><span class="cut">${rangeTitle(state.r, window, formats)}</span> <span aria-hidden="true">▾</span></button>
        <button class="button icon" aria-label="Later period" ?disabled=${!later} @click=${() => page.go({r: later})}>›</button>
        <div id="ranges" popover role="dialog" aria-label="Range" @beforetoggle=${this._onToggle}>
          ${this._open ? this._choices() : nothing}</div>
      </div>
      <ud-menu class="zones" label="Time zone" quiet search align="end" .items=${this._zones()} .free=${ownZone} .value=${state.tz}
        .text=${zoneTitle(state.tz)}
        @pick=${(e) => page.go({tz: e.detail})}></ud-menu>`;
  }

  _choices() {
    const {page, window} = this;
    const {formats, state} = page;
    const [first, last] =
      this._offered ?? (window ? [formats.isoDay(Date.parse(window.start)), lastDay(window, formats.isoDay)] : ['', '']);
    const ends = window ? [window.start, window.end].map((at) => formats.moment(Date.parse(at))) : [];
    return html`
      <div class="list">${PRESETS.map(
        ([value, title]) => html`<button aria-pressed=${value === state.r}
        @click=${() => this._pick(value)}>${title}</button>`,
      )}</div>
      <form @submit=${this._onCustom} @input=${() => (this._offered = [first, last])}>
        ${window ? html`<p class="wide small muted">${ends.join(' to ')}, end not included, ${state.tz}</p>` : nothing}
        <label>From<input class="field" type="date" name="first" min="1970-01-01" max="2199-12-31" required .value=${first}></label>
        <label>To, that day included<input class="field" type="date" name="last" min="1970-01-01" max="2199-12-31" required
          .value=${last}></label>
        <p class="wide small bad" role="alert" id="wrong" hidden>The last day is before the first.</p>
        <button class="button primary wide">Show these days</button>
      </form>`;
  }

  firstUpdated() {
    const list = this.renderRoot.querySelector('#ranges');
    list.addEventListener(
      'toggle',
      follow(list, list.parentNode, 'end', () => list.querySelector('[aria-pressed=true], button').focus()),
    );
  }

  _zones() {
    const {me} = this.page;
    const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
    const usual = [
      [me.workspace.time_zone, 'workspace'],
      [own, 'browser'],
      ['UTC', 'UTC'],
    ].filter(([name], i, all) => all.findIndex(([n]) => n === name) === i);
    const names = Intl.supportedValuesOf('timeZone').filter((name) => !usual.some(([n]) => n === name));
    return [
      ...usual.map(([value, hint]) => ({value, title: zoneTitle(value), hint: hint === value ? '' : hint})),
      ...names.map((value) => ({value, title: zoneTitle(value)})),
    ];
  }

  _onToggle(event) {
    this._open = event.newState === 'open';
    this._offered = null; // what the fields began with, held once somebody types: an answer that arrives must not refill them
  }

  _pick(r) {
    this._hide();
    this.page.go({r});
  }

  _hide() {
    this.renderRoot.querySelector('#ranges').hidePopover();
    this.renderRoot.querySelector('[popovertarget]').focus();
  }

  _onCustom(event) {
    event.preventDefault();
    const {first, last} = Object.fromEntries(new FormData(event.target));
    const wrong = last < first;
    this.renderRoot.querySelector('#wrong').hidden = !wrong;
    if (!wrong) this._pick(ofDays(first, last));
  }

  _stepped(direction) {
    const {state, formats, asOf} = this.page;
    return stepped(state.r, formats.isoDay, asOf, direction);
  }
}
customElements.define('ud-range', RangePicker);

const zoneTitle = (name) => name.replaceAll('_', ' ');

/** Browsers list each zone under one of its names only; the others may be typed in full. */
const ownZone = (text) => (text.includes('/') && isZone(text) ? {value: text, title: zoneTitle(text)} : null);

// --- the row

/** Webhooks are counted by the delivery or by the attempt. */
export const perSwitch = (page) =>
  page.state.of === 'deliveries'
    ? html`<ud-segments label="Counted by" .items=${[
        {value: 'deliveries', title: 'Deliveries'},
        {value: 'attempts', title: 'Attempts'},
      ]} .value=${page.state.per} @pick=${(e) => page.go({per: e.detail})}></ud-segments>`
    : nothing;

export const logSwitch = (page) => html`<button class="button" aria-pressed=${page.state.scale === 'log'}
  @click=${() => page.go({scale: page.state.scale === 'log' ? 'linear' : 'log'})}>Log scale</button>`;

/** A download; `E` presses the first one of a tab. */
export const exportLink = (
  href,
  title = 'Export CSV',
  kind = '',
) => html`<a class="button ${kind}" data-export download href=${href}
  aria-keyshortcuts=${kind ? nothing : 'E'}>${title}</a>`;

/**
 * @param {object} page
 * @param {{subject: string, window: ?object, csv: ?string, start?: unknown, kept?: ?string}} parts `kept`: from when on there is
 *     data, where the window that was asked for reaches further back
 */
export const toolbar = (
  page,
  {subject, window, csv, start = nothing, kept = null},
) => html`<div class="toolbar" role="group" aria-label="View">
  ${start}<ud-filters .page=${page} .subject=${subject}></ud-filters>
  <div class="end"><ud-range .page=${page} .window=${window}></ud-range>${csv ? exportLink(csv) : nothing}</div></div>
  ${kept ? html`<p class="muted small" role="note">Data from ${page.formats.dateOfUtc(Date.parse(kept))} (UTC) on is kept.</p>` : nothing}`;
