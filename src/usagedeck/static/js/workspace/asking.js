/** What the pages beside the tabs share: lists that are always fresh, changes, and the element that has both. */
import {LitElement, html} from '../../vendor/lit.js';
import {Question, call, forget, get, urlOf} from '../api.js';
import {Sheet} from './sheet.js';

/** An address of the API in the reader's workspace. */
export const areaUrl = (page, path, asked = {}) =>
  urlOf(`/api/v1/${path}`, {...asked, workspace: page.me.workspaces.length > 1 ? page.state.workspace : ''});

/** A question that is asked anew every time: somebody else may have changed something. */
class Listing extends Question {
  _answer(url, signal) {
    return get(url, signal);
  }
}

/** Change something; the answer, or null where there is nothing to say. Raises a `Problem`. */
export async function send(page, method, path, body) {
  const headers = {accept: 'application/json', 'content-type': 'application/json'};
  const answer = await call(areaUrl(page, path), {method, headers, body: body && JSON.stringify(body)});
  forget();
  return answer.status === 204 ? null : answer.json();
}

export class AreaPart extends LitElement {
  static properties = {page: {attribute: false}};

  constructor() {
    super();
    this.sheet = new Sheet(this);
    this._listings = [];
  }

  /** A list that is asked again after every change. */
  listing() {
    const made = new Listing(this);
    this._listings.push(made);
    return made;
  }

  willUpdate(changes) {
    const before = changes.get('page');
    if (before && before.asOf !== this.page.asOf) this.reload();
  }

  /** What was in focus may be gone with its row: then the heading has it, and not the whole document. */
  updated() {
    const lost = this._focused && !this._focused.isConnected && document.activeElement === document.body;
    if (lost) this.renderRoot.querySelector('h2')?.focus();
    this._focused = this.renderRoot.activeElement;
  }

  reload() {
    return Promise.all(this._listings.filter((listing) => listing.url).map((listing) => listing.retry()));
  }

  /** Done when the lists say so too: what is typed afterwards is not written over by an answer that was still to come. */
  async change(method, path, body) {
    const answer = await send(this.page, method, path, body);
    await this.reload();
    return answer;
  }

  /** Change something without asking; when it was not done, say why. */
  async now(method, path, body) {
    try {
      await this.change(method, path, body);
    } catch ({message}) {
      const act = async () => this.reload();
      this.sheet.open({title: 'That was not done', told: true, body: () => html`<p>${message}</p>`, action: 'Close', act});
    }
  }
}
