/** Actions on past conversations: requests to the server, and the conversation to return to after the tab was closed. */
import { ApiError, api } from "./api.js";
import { asLines } from "./past.js";
import { IN_CALL } from "./state.js";
import { kept, openConversation } from "./storage.js";

const PAGE = 30;
/** Longest time between two signs of life of a tab that is in a call. */
const SILENT_MS = 15_000;
const SIGN_EVERY_MS = 5_000;
/** Interval of requests for the conversation that was open, while they fail. */
const LOOK_AGAIN_MS = 5_000;

export class PastActions {
  #asked = 0;
  #lookAgainAt = 0;

  /** Bearer of the person whose conversations are shown; null until it is known who uses the page. */
  #whose = /** @type {{secret: string | undefined} | null} */ (null);

  /** @param {{store: any, secret: () => string | undefined, connect: (agent: any, continues: string) => void}} parts `secret`: the person's bearer */
  constructor({ store, secret, connect }) {
    this.store = store;
    this.secret = secret;
    this.connect = connect;
    window.addEventListener("pagehide", () => openConversation.close(store.state.call.sessionId));
  }

  /** Loads the list. Only the answer to the newest request counts. @param {{query?: string, more?: boolean}} [options] */
  async load({ query = this.store.state.past.query, more = false } = {}) {
    const asked = ++this.#asked;
    const before = more ? this.store.state.past.next : null;
    this.store.dispatch({ type: "past.loading", query });
    try {
      const page = await this.#asPerson((secret) => api.conversations({ q: query.trim(), limit: PAGE, before }, secret));
      if (asked === this.#asked) this.store.dispatch({ type: "past.loaded", ...page, more });
    } catch (error) {
      if (asked !== this.#asked) return;
      // This browser has no key yet, so it has said nothing here.
      if (error instanceof ApiError && error.status === 401) this.store.dispatch({ type: "past.loaded", conversations: [], next: null });
      else this.#failed(error);
    }
  }

  /** @param {string} id */
  async read(id) {
    try {
      const read = await this.#asPerson((secret) => api.conversation(id, secret));
      if (this.store.state.place.id === id) this.store.dispatch({ type: "past.read", read });
    } catch (error) {
      if (this.store.state.place.id === id) this.#failed(error);
    }
  }

  /** @param {import("./past.js").Read} read */
  continueFrom({ conversation, messages }) {
    if (!conversation.agent) return;
    this.store.dispatch({ type: "past.open", open: null });
    this.store.dispatch({ type: "captions.restored", lines: asLines(messages) });
    this.connect(conversation.agent, conversation.session_id);
  }

  /** @param {string} id @returns {Promise<boolean>} */
  async remove(id) {
    try {
      await this.#asPerson((secret) => api.deleteConversation(id, secret));
    } catch (error) {
      this.#failed(error);
      return false;
    }
    if (kept.session()?.sessionId === id) kept.keepSession(null);
    openConversation.drop(id);
    this.store.dispatch({ type: "past.deleted", id });
    return true;
  }

  /** Called every second: signs of life of our own call, and a look for a tab that was closed in its call. @param {number} now */
  async look(now) {
    this.#changed();
    const { call, past } = this.store.state;
    const open = openConversation.read();
    if (IN_CALL.has(call.phase)) {
      const signed = open?.sessionId === call.sessionId && open?.live && now - open.at < SIGN_EVERY_MS;
      if (call.sessionId && !signed) openConversation.keep({ sessionId: call.sessionId, live: true, at: now });
      return;
    }
    if (call.phase !== "idle") return openConversation.close(call.phase === "displaced" ? null : call.sessionId);
    if (!open || (open.live && now - open.at < SILENT_MS)) {
      if (past.open) this.store.dispatch({ type: "past.open", open: null });
    } else if (past.open?.conversation.session_id !== open.sessionId && now >= this.#lookAgainAt) {
      this.#lookAgainAt = now + LOOK_AGAIN_MS;
      await this.#show(open.sessionId);
    }
  }

  /** The user is done with this conversation: it is only in the list from now on. @param {string | null | undefined} sessionId */
  done(sessionId) {
    openConversation.drop(sessionId);
    this.store.dispatch({ type: "past.open", open: null });
  }

  /** The call was left, and its view with it. */
  left() {
    openConversation.close(this.store.state.call.sessionId);
  }

  /** As the person who uses the page; without a bearer, as whoever the server takes this browser for. @template T @param {(secret?: string) => Promise<T>} ask */
  async #asPerson(ask) {
    try {
      return await ask(this.secret());
    } catch (error) {
      const secret = kept.session()?.secret;
      if (!(error instanceof ApiError) || error.status !== 401 || !secret) throw error;
      return ask(secret);
    }
  }

  /** Another person uses the page now, or it is known for the first time who does. */
  #changed() {
    const secret = this.secret();
    if (this.#whose && this.#whose.secret === secret) return;
    const first = this.#whose === null;
    this.#whose = { secret };
    if (!first) this.store.dispatch({ type: "past.forgotten" });
    if (this.store.state.place.name === "conversations") void this.load();
  }

  async #show(/** @type {string} */ id) {
    try {
      const open = await this.#asPerson((secret) => api.conversation(id, secret));
      if (this.store.state.call.phase === "idle") this.store.dispatch({ type: "past.open", open });
    } catch (error) {
      // Nothing was said in it, or it is somebody else's by now.
      if (error instanceof ApiError && [401, 404, 410].includes(error.status)) openConversation.drop(id);
    }
  }

  #failed(/** @type {unknown} */ error) {
    const { code, message, remedy } = /** @type {any} */ (error);
    this.store.dispatch({ type: "past.failed", trouble: { code, message, remedy } });
  }
}
