/** Conversation control: requesting a session, joining, leaving, reconnecting. Decisions are in policy.js. */
import { t } from "./texts/text.js";
import { ApiError, api, isTemporary } from "./api.js";
import { OFFLINE_CHECK_MS, TOKEN_TTL_S, afterDisconnect, nextDelay } from "./policy.js";
import { IN_CALL } from "./state.js";
import { browserKey, kept } from "./storage.js";

const GAVE_UP = { code: "gave_up", message: t("The page could not come back by itself."), remedy: t("Check the network and the server, then try again.") };
const EXPIRED = {
  code: "session_expired",
  message: t("You were away for long, and this conversation has ended."),
  remedy: t("Start a new one. What the assistant remembers about you is kept."),
};
const REMOVED = { code: "removed", message: t("The conversation was ended from elsewhere."), remedy: t("Come back if you like.") };
const LOST = { code: "lost", message: t("The connection was lost.") };

/** @param {unknown} error */
function troubleOf(error) {
  if (error instanceof ApiError) return { code: error.code, message: error.message, remedy: error.remedy };
  console.warn(error);
  return { code: "livekit_unavailable", message: t("The room could not be joined.") };
}

export class Conversation {
  /** Number of the user's last request; work for an older one stops. */
  #wish = 0;
  /** Id of the call that a reconnect continues; empty after the user pressed a button. */
  #call = "";
  #asking = /** @type {Promise<any> | null} */ (null);
  #nudge = /** @type {(() => void) | null} */ (null);

  /**
   * @param {{store: {state: any, dispatch(event: any): void}, join: (session: any, onDisconnected: (reason: string) => void) => Promise<void>,
   *   part: () => Promise<void>, claim: (sessionId: string) => void}} parts
   */
  constructor({ store, join, part, claim }) {
    this.store = store;
    this.join = join;
    this.part = part;
    this.claim = claim;
  }

  get #phase() {
    return this.store.state.call.phase;
  }

  #step(/** @type {string} */ step, /** @type {object} */ fields = {}) {
    this.store.dispatch({ type: "call", step, ...fields });
  }

  /**
   * Connects, if possible to the session this tab already has with the same assistant; or to one of the person's own
   * (`continues`), which needs no secret. @param {{id: string, name: string}} agent
   */
  async connect(agent, { fresh = false, continues = "" } = {}) {
    const wish = ++this.#wish;
    this.#call = "";
    const session = kept.session();
    const again = !fresh && (continues ? session?.sessionId === continues : session?.agent.id === agent.id);
    if (!again) kept.keepSession(continues ? { sessionId: continues, secret: "", agent, intent: "left" } : null);
    this.#step("start", { agent, fresh: !again && !continues });
    try {
      const granted = await this.#ask(agent.id);
      if (wish !== this.#wish) return;
      this.#step("granted", { session: granted });
      await this.#enter(granted, wish);
    } catch (error) {
      if (wish !== this.#wish) return;
      if (this.#phase === "joining") await this.#comeBack(wish, troubleOf(error));
      else this.#step("failed", { trouble: troubleOf(error) });
    }
  }

  /** After a reload: returns to the conversation that was going on. */
  async restore() {
    const session = kept.session();
    if (session?.intent !== "live") return;
    const wish = ++this.#wish;
    this.#call = "";
    this.#step("restore", { agent: session.agent, sessionId: session.sessionId });
    await this.#comeBack(wish, { code: "reloaded", message: t("The page was loaded again.") });
  }

  /** Leaves, and waits (bounded) until the assistant has reset itself. The session can be resumed. */
  async leave() {
    if (!IN_CALL.has(this.#phase)) return;
    ++this.#wish;
    this.#nudge?.();
    this.#step("leave");
    await this.#asking?.catch(() => null);
    kept.intend("left");
    const session = kept.session();
    let reset = "unknown";
    try {
      if (session) ({ reset } = await api.leave(session.sessionId, session.secret));
    } catch (error) {
      console.warn("The server was not told that we left:", error);
    }
    await this.part();
    this.#step("left", { reset });
  }

  dismiss() {
    this.#step("dismiss");
    kept.keepCaptions([]);
  }

  /** Tries at once instead of later: the network is back, the machine woke up or the tab became visible. */
  nudge() {
    if (this.#nudge) this.#nudge();
    else if (this.#phase === "stopped" && this.store.state.call.trouble?.code === GAVE_UP.code) void this.restore();
  }

  /** Another tab uses this session now. This tab never reconnects by itself. */
  async displaced() {
    if (!IN_CALL.has(this.#phase)) return;
    ++this.#wish;
    this.#nudge?.();
    kept.intend("displaced");
    this.#step("displaced");
    await this.part();
  }

  /** @param {string} agentId */
  async #ask(agentId) {
    const session = kept.session();
    const known = session ? { session_id: session.sessionId, ...(session.secret && { resume_secret: session.secret }) } : {};
    const key = browserKey.read();
    const more = { ...(key && { browser_key: key }), ...(this.#call && { call_id: this.#call }) };
    this.#asking = api.openSession({ agent_id: agentId, token_ttl: TOKEN_TTL_S, ...known, ...more });
    try {
      const granted = await this.#asking;
      this.#call = granted.call_id ?? "";
      if (granted.browser_key) browserKey.take(granted.browser_key, key);
      // Kept even if the user has left meanwhile: leaving needs the session.
      const { id, name } = granted.agent;
      kept.keepSession({ sessionId: granted.session_id, secret: granted.resume_secret, agent: { id, name }, intent: "live" });
      return granted;
    } finally {
      this.#asking = null;
    }
  }

  async #enter(/** @type {any} */ session, /** @type {number} */ wish) {
    await this.join(session, (reason) => void this.#gone(reason, wish));
    if (wish !== this.#wish) return;
    this.#step("joined");
    this.claim(session.session_id);
  }

  async #gone(/** @type {string} */ reason, /** @type {number} */ wish) {
    if (wish !== this.#wish) return;
    const next = afterDisconnect(reason);
    if (next === "ignore" || this.#phase === "returning" || this.#phase === "joining") return;
    if (next === "displaced") return this.displaced();
    const again = ++this.#wish;
    await this.part();
    if (next === "lost") return this.#comeBack(again, LOST);
    kept.intend("left");
    this.#step("failed", { trouble: REMOVED });
  }

  /** Retries with growing delays until it is back, is stopped, or gives up. */
  async #comeBack(/** @type {number} */ wish, /** @type {any} */ trouble) {
    for (let attempt = 0; wish === this.#wish; attempt += 1) {
      // Offline, attempts do not count. One is made now and then, since the browser may be wrong about it.
      if (!this.store.state.online) attempt = 0;
      const delay = this.store.state.online ? nextDelay(attempt, Math.random()) : OFFLINE_CHECK_MS;
      if (delay === null) return this.#step("failed", { trouble: { ...GAVE_UP, remedy: `${trouble.message} ${GAVE_UP.remedy}` } });
      this.#step("lost", { trouble, nextTryAt: Date.now() + delay });
      if (await this.#pause(delay)) attempt = 0;
      if (wish !== this.#wish) return;
      try {
        if (await this.#tryOnce(wish)) return;
      } catch (error) {
        if (wish !== this.#wish) return;
        await this.part();
        trouble = troubleOf(error);
        if (!isTemporary(error)) return this.#step("failed", { trouble });
      }
    }
  }

  /** @returns {Promise<boolean>} true when there is nothing more to try */
  async #tryOnce(/** @type {number} */ wish) {
    const session = kept.session();
    if (!session || (await this.#isOver(session))) {
      if (wish === this.#wish) this.#step("failed", { trouble: EXPIRED });
      return true;
    }
    const granted = await this.#ask(session.agent.id);
    if (wish !== this.#wish) return true;
    this.#step("granted", { session: granted });
    await this.#enter(granted, wish);
    return true;
  }

  /** An ended session needs a button: the microphone never opens by itself in a new conversation. */
  async #isOver(/** @type {import("./storage.js").Kept} */ { sessionId, secret }) {
    try {
      return (await api.sessionStatus(sessionId, secret)).ended;
    } catch (error) {
      if (error instanceof ApiError && [401, 403, 404, 410].includes(error.status)) return true;
      throw error;
    }
  }

  /** @param {number} ms @returns {Promise<boolean>} true when it was cut short by a nudge */
  async #pause(ms) {
    const { promise, resolve } = withResolvers();
    const timer = setTimeout(() => resolve(false), ms);
    this.#nudge = () => resolve(true);
    const nudged = await promise;
    clearTimeout(timer);
    this.#nudge = null;
    return nudged;
  }
}

function withResolvers() {
  let resolve = (/** @type {boolean} */ _value) => {};
  const promise = /** @type {Promise<boolean>} */ (new Promise((done) => { resolve = done; }));
  return { promise, resolve };
}
