/** Browser storage: the session per tab (so that a new tab gets its own), the preferences per browser. */

/**
 * @typedef {"live" | "left" | "displaced"} Intent the user's last wish: only "live" reconnects by itself
 * @typedef {{sessionId: string, secret: string, agent: {id: string, name: string}, intent: Intent}} Kept
 */

const SESSION = "voice-agent.session";
const CAPTIONS = "voice-agent.captions";
const BROWSER_KEY = "voice-agent.browser-key";
const PEOPLE = "voice-agent.people";
const CHANGED = "voice-agent.person-changed";
const OPEN = "voice-agent.open-conversation";
const PREFERENCES = "voice-agent.preferences";

/** @param {() => Storage} storage a browser may refuse storage: then nothing is stored and all else works */
function jsonStorage(storage) {
  return {
    /** @param {string} key @param {any} otherwise */
    read(key, otherwise) {
      try {
        return JSON.parse(storage().getItem(key) ?? "null") ?? otherwise;
      } catch {
        return otherwise;
      }
    },
    /** @param {string} key @param {unknown} value */
    write(key, value) {
      try {
        if (value === null) storage().removeItem(key);
        else storage().setItem(key, JSON.stringify(value));
      } catch (error) {
        console.warn("The browser does not let the page remember:", error);
      }
    },
  };
}

const tab = jsonStorage(() => sessionStorage);
const browser = jsonStorage(() => localStorage);

export const kept = {
  /** @returns {Kept | null} */
  session: () => tab.read(SESSION, null),
  keepSession: (/** @type {Kept | null} */ session) => tab.write(SESSION, session),
  intend(/** @type {Intent} */ intent) {
    const session = kept.session();
    if (session) kept.keepSession({ ...session, intent });
  },
  captions: () => tab.read(CAPTIONS, []),
  keepCaptions: (/** @type {unknown[]} */ lines) => tab.write(CAPTIONS, lines),
};

/** Key by which the server recognises this browser and its person's memory. A secret: it goes nowhere else. */
export const browserKey = {
  /** @returns {string | undefined} */
  read() {
    const key = browser.read(BROWSER_KEY, null);
    return typeof key === "string" && key.length <= 4096 ? key : undefined;
  },
  /** Stores a new key, unless another tab stored one since `sent` was read: all tabs are one person. @param {string} key @param {string | undefined} sent */
  take(key, sent) {
    if (browserKey.read() === sent) browser.write(BROWSER_KEY, key);
  },
  /** Another person uses this browser now; null: one without a key. @param {string | null} key */
  use(key) {
    browser.write(BROWSER_KEY, key);
    browser.write(CHANGED, String(Math.random()));
  },
};

/** @typedef {{key: string | null, name: string}} BrowserPerson null: who uses this computer without a key */

/** People of this browser: those whose keys it keeps, to change between them. */
export const browserPeople = {
  /** @returns {BrowserPerson[]} */
  read() {
    const found = browser.read(PEOPLE, []);
    return Array.isArray(found) ? found.filter((one) => typeof one?.name === "string" && (one.key === null || typeof one.key === "string")) : [];
  },
  /** @param {BrowserPerson} person */
  keep(person) {
    const others = browserPeople.read().filter(({ key }) => key !== person.key);
    browser.write(PEOPLE, [...others, person].slice(-20));
  },
  /** @param {string | null} key */
  remove: (key) => browser.write(PEOPLE, browserPeople.read().filter((one) => one.key !== key)),
};

/** Calls when another tab has changed the person. @param {() => void} changed */
export function onPersonChanged(changed) {
  window.addEventListener("storage", ({ key }) => key === CHANGED && changed());
}

/**
 * The conversation that was last open in this browser: shown when its tab was closed. No secret.
 * @typedef {{sessionId: string, live: boolean, at: number}} Open `live`: a tab is in its call, as of `at`
 */
export const openConversation = {
  /** @returns {Open | null} */
  read() {
    const open = browser.read(OPEN, null);
    return typeof open?.sessionId === "string" ? open : null;
  },
  keep: (/** @type {Open} */ open) => browser.write(OPEN, open),
  /** Its tab is not in the call any more. @param {string | null} sessionId */
  close(sessionId) {
    const open = openConversation.read();
    if (sessionId && open?.sessionId === sessionId && open.live) browser.write(OPEN, { ...open, live: false });
  },
  /** @param {string | null | undefined} sessionId */
  drop(sessionId) {
    if (sessionId && openConversation.read()?.sessionId === sessionId) browser.write(OPEN, null);
  },
};

const DEFAULTS = { lastUsed: /** @type {string[]} */ ([]), micId: "", speakerId: "", volume: 1, pushToTalk: false, nameAsked: false };

export const preferences = {
  read: () => ({ ...DEFAULTS, ...browser.read(PREFERENCES, {}) }),
  change: (/** @type {Partial<typeof DEFAULTS>} */ change) => browser.write(PREFERENCES, { ...preferences.read(), ...change }),
  /** @param {string} id @returns {string[]} last used first */
  used(id) {
    const lastUsed = [id, ...preferences.read().lastUsed.filter((other) => other !== id)].slice(0, 20);
    preferences.change({ lastUsed });
    return lastUsed;
  },
};
