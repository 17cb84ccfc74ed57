/** Who uses the page: asks for the name once, and shows the dialog "You": name, people of this browser, export, deletion. */
import { t } from "./texts/text.js";
import { ApiError } from "./api.js";
import { byId, h, setText } from "./dom.js";
import { peopleApi as api } from "./peopleapi.js";
import { browserKey, browserPeople, kept, onPersonChanged, preferences } from "./storage.js";

/** @typedef {{text: string, yes: string, act: () => Promise<void>}} Question */

export class YouView {
  #profile = /** @type {import("./peopleapi.js").Profile | null} */ (null);
  #signIn = { available: false, signedIn: false };
  #loaded = false;

  /** @param {{leave: () => Promise<void>, openMemory: () => void, problem: (problem: object) => void}} page `leave`: ends the stay in the room, if there is one */
  constructor({ leave, openMemory, problem }) {
    this.leaveCall = leave;
    this.problem = problem;
    this.openMemory = openMemory;
    this.dialog = byId("you-dialog");
    byId("you").addEventListener("click", () => void this.#open());
    byId("name-ask").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#rename(byId("name-answer").value, byId("name-trouble"));
    });
    byId("name-skip").addEventListener("click", () => {
      preferences.change({ nameAsked: true });
      this.#show();
      byId("you").focus();
    });
    this.dialog.addEventListener("click", (/** @type {Event} */ event) => event.target === this.dialog && this.dialog.close());
    onPersonChanged(() => void this.#startAnew());
    this.#show(); // what this browser knows by itself, so that nothing moves when the server answers
  }

  /** The bearer of this person; a signed-in one has a cookie instead. @returns {string | undefined} */
  get secret() {
    return this.#signIn.signedIn ? undefined : browserKey.read();
  }

  /** Called once, when the page begins. */
  async start() {
    this.#sayWhatFailed();
    await this.#load();
  }

  async #load() {
    try {
      const { available, person } = await api.signIn();
      this.#signIn = { available, signedIn: person !== null };
      this.#profile = person ?? (await this.#known());
      this.#loaded = true;
    } catch {
      return; // the list of assistants says that the server is gone
    }
    if (this.#profile && !this.#signIn.signedIn) this.#keep(this.#profile.user_name);
    this.#show();
  }

  /** Signing in ends at the page; a failure is named in its URL. */
  #sayWhatFailed() {
    const code = new URLSearchParams(location.search).get("sign_in");
    if (!code) return;
    history.replaceState(history.state, "", location.pathname);
    const why = { sign_in_unavailable: t("The sign-in service does not answer. Try again later."), sign_in_failed: t("Its answer does not count. Try again.") };
    this.problem({ code: "sign_in_failed", level: "warning", message: t("You are not signed in."), remedy: why[/** @type {keyof why} */ (code)] ?? t("Try again later.") });
  }

  /** null: nobody whom the server knows. */
  async #known() {
    try {
      return await api.read(this.secret);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  }

  /** @param {string} name */
  #keep(name) {
    const key = browserKey.read() ?? null;
    if (name) browserPeople.keep({ key, name });
  }

  #show() {
    const key = browserKey.read() ?? null;
    const kept = this.#loaded ? "" : browserPeople.read().find((one) => one.key === key)?.name;
    const name = this.#profile?.user_name || kept;
    setText(byId("you-name"), name ? t("I'm {name}", { name }) : t("You"));
    byId("name-ask").hidden = Boolean(name) || preferences.read().nameAsked;
  }

  /** @param {string} name @param {Element} trouble @returns {Promise<boolean>} */
  async #rename(name, trouble) {
    setText(trouble, "");
    try {
      await this.#beKnown();
      this.#profile = await api.rename(name, this.secret);
    } catch (error) {
      setText(trouble, words(error));
      return false;
    }
    preferences.change({ nameAsked: true });
    if (!this.#signIn.signedIn) this.#keep(this.#profile.user_name);
    this.#show();
    return true;
  }

  /** A name needs a person: one without a key gets one. */
  async #beKnown() {
    if (!this.#loaded) await this.#load();
    if (this.#profile) return;
    const sent = browserKey.read();
    browserKey.take((await api.create()).key, sent);
  }

  // --- the dialog ---

  async #open() {
    await this.#load(); // a call may have made a person of who was nobody
    this.#draw();
    if (!this.dialog.open) this.dialog.showModal();
  }

  #draw(/** @type {Question | null} */ question = null) {
    const close = h("button", { type: "button", class: "button round quiet", "aria-label": t("Close"), onclick: () => this.dialog.close(), text: "×" });
    this.dialog.replaceChildren(h("form", { method: "dialog", class: "you", autocomplete: "off", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
      h("header", {}, h("h2", { id: "you-title", text: t("You") }), close),
      h("p", { role: "status", testid: "you-status", id: "you-status" }),
      question ? this.#asked(question) : this.#parts()));
    if (question) byId("you-no").focus();
  }

  #parts() {
    return h("div", { class: "parts" }, this.#nameField(), this.#signing(), this.#others(), this.#data());
  }

  #nameField() {
    const input = h("input", { type: "text", id: "you-name-field", testid: "you-name-field", maxlength: "60", value: this.#profile?.user_name ?? "" });
    const save = async () => {
      const done = await this.#rename(/** @type {HTMLInputElement} */ (input).value, byId("you-status"));
      if (done) setText(byId("you-status"), t("Saved."));
    };
    input.addEventListener("keydown", (event) => /** @type {KeyboardEvent} */ (event).key === "Enter" && void save());
    return h("div", { class: "line" }, h("label", { class: "field", text: t("What may I call you?") }, input),
      button(t("Save"), "you-save", () => void save()));
  }

  #signing() {
    const { available, signedIn } = this.#signIn;
    if (!available) return null;
    if (!signedIn) return h("div", { class: "line" }, h("a", { class: "button", href: "/sign-in/start", testid: "sign-in", text: t("Sign in") }));
    return h("div", { class: "line" }, h("span", { class: "grow", text: t("You are signed in.") }), button(t("Sign out"), "sign-out", () => void this.#signOut()));
  }

  #others() {
    const mine = this.#signIn.signedIn ? undefined : browserKey.read() ?? null;
    const people = browserPeople.read();
    return h("section", { "aria-labelledby": "you-people" }, h("h3", { id: "you-people", text: t("People of this browser") }),
      h("ul", { role: "list", testid: "you-people" }, ...people.map((one) => this.#person(one, one.key === mine))),
      button(t("That's not me"), "not-me", () => void this.#attempt(() => this.#notMe())));
  }

  #person(/** @type {import("./storage.js").BrowserPerson} */ one, /** @type {boolean} */ me) {
    const use = () => this.#become(one.key);
    return h("li", { testid: "you-person" }, h("span", { class: "grow", dir: "auto", text: me ? t("{name} (you)", { name: one.name }) : one.name }),
      !me && button(t("That's me"), "you-use", () => void this.#attempt(use), one.name),
      one.key !== null && button(t("Remove"), "you-remove", () => this.#draw(this.#removal(one, me)), one.name));
  }

  #data() {
    const none = this.#profile === null;
    return h("section", { "aria-labelledby": "you-data" }, h("h3", { id: "you-data", text: t("What is kept about you") }),
      h("div", { class: "buttons" },
        button(t("What I know about you"), "you-memory", () => { this.dialog.close(); this.openMemory(); }, "", none),
        button(t("Export"), "you-export", () => void this.#attempt(() => api.save("json", this.secret)), "", none),
        button(t("Export as text"), "you-export-text", () => void this.#attempt(() => api.save("text", this.secret)), "", none),
        button(t("Delete everything about me"), "you-delete", () => this.#draw(this.#deletion()), "", none, "danger")),
      this.#profile?.deletion_pending && h("p", { text: t("What is known about you is still being deleted.") }));
  }

  #asked(/** @type {Question} */ { text, yes, act }) {
    const no = h("button", { type: "button", class: "button", id: "you-no", testid: "you-no", text: t("Keep"), onclick: () => this.#draw() });
    const sure = button(yes, "you-yes", () => {
      for (const one of this.dialog.querySelectorAll(".message button")) one.disabled = true;
      setText(byId("you-status"), t("One moment …"));
      void this.#attempt(act);
    }, "", false, "danger");
    return h("div", { class: "message", role: "alert" }, h("p", { text }), h("div", { class: "buttons" }, sure, no));
  }

  /** @param {() => Promise<void>} act */
  async #attempt(act) {
    try {
      await act();
    } catch (error) {
      this.#draw();
      setText(byId("you-status"), words(error));
    }
  }

  // --- changes of the person ---

  async #notMe() {
    if (this.#signIn.signedIn) return this.#signOut();
    const { key } = await api.create();
    if (this.#profile && browserKey.read() === undefined) browserPeople.keep({ key: null, name: this.#profile.user_name || t("This computer") });
    else if (this.#profile) browserPeople.keep({ key: browserKey.read() ?? null, name: this.#profile.user_name || t("No name") });
    await this.#become(key);
  }

  /** @param {string | null} key */
  async #become(key) {
    if (this.#signIn.signedIn) await api.signOut();
    browserKey.use(key);
    preferences.change({ nameAsked: false });
    await this.#startAnew();
  }

  async #signOut() {
    await this.leaveCall();
    await api.signOut();
    await this.#startAnew();
  }

  /** Nothing of the earlier person is shown any more, and nothing of theirs goes on in this tab. */
  async #startAnew() {
    await this.leaveCall();
    kept.keepSession(null);
    kept.keepCaptions([]);
    location.reload();
  }

  /** @returns {Question} */
  #removal(/** @type {import("./storage.js").BrowserPerson} */ one, /** @type {boolean} */ me) {
    return {
      text: t("Remove {name} from this browser? What {name} told stays stored, but no browser can reach it any more. To delete it, use “Delete everything about me” first.", { name: one.name }),
      yes: t("Remove"),
      act: async () => {
        if (me) await this.leaveCall();
        await api.revoke(/** @type {string} */ (one.key)).catch((error) => {
          if (!(error instanceof ApiError && [401, 404].includes(error.status))) throw error; // revoked before
        });
        browserPeople.remove(one.key);
        if (me) await this.#become(null);
        else this.#draw();
      },
    };
  }

  /** @returns {Question} */
  #deletion() {
    return {
      text: t("Delete everything about you? All conversations, what all assistants know about you, and your name are deleted. This cannot be undone."),
      yes: t("Delete everything"),
      act: async () => {
        await this.leaveCall();
        const result = await api.remove(this.secret);
        const mine = this.#signIn.signedIn ? undefined : browserKey.read() ?? null;
        if (mine !== undefined) browserPeople.remove(mine);
        if (typeof mine === "string") browserKey.use(null);
        kept.keepSession(null);
        kept.keepCaptions([]);
        preferences.change({ nameAsked: false });
        this.#deleted(result);
      },
    };
  }

  /** @param {{state: string, kept: {labels: string[]}[]}} result */
  #deleted({ state, kept: blocks }) {
    const stays = [...new Set(blocks.flatMap(({ labels }) => labels))].sort();
    const lines = [state === "done" ? t("Everything about you is deleted.") : t("What was stored here is deleted. The rest is deleted by itself as soon as the memory can be reached.")];
    if (stays.length) lines.push(t("What was written into the assistants by hand stays: {blocks}.", { blocks: stays.join(", ") }));
    this.dialog.addEventListener("close", () => location.reload(), { once: true });
    this.dialog.replaceChildren(h("form", { method: "dialog", class: "you" }, h("h2", { id: "you-title", text: t("You") }),
      h("p", { role: "status", testid: "you-status", text: lines.join(" ") }),
      h("button", { class: "button primary", testid: "you-done", autofocus: true, text: t("Close") })));
  }
}

/** @param {string} text @param {string} testid @param {() => void} onclick @param {string} about for screen readers */
function button(text, testid, onclick, about = "", disabled = false, kind = "") {
  return h("button", { type: "button", class: `button ${kind}`, testid, onclick, disabled }, text, about && h("span", { class: "sr", text: `: ${about}` }));
}

/** @param {unknown} error */
function words(error) {
  return error instanceof ApiError ? `${error.message} ${error.remedy}`.trim() : t("That did not work.");
}
