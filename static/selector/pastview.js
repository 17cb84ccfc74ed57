/** Views of past conversations: the list, one to read, and the one that was open when its tab was closed. */
import { byId, h, keyed, setText } from "./dom.js";
import { transcript } from "./captions.js";
import { asLines, byDay, dayWords, lastWords, lengthWords } from "./past.js";
import { pathOf } from "./places.js";
import { language, t } from "./texts/text.js";
import { ago } from "./words.js";

const TYPING_MS = 250;
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
const nameOf = (/** @type {any} */ one) => one.agent?.name || t("Assistant");

export class PastView {
  #typing = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  #asking = false;

  /** @param {import("./pastactions.js").PastActions} actions @param {import("./navigation.js").Navigation} navigation */
  constructor(actions, navigation) {
    this.actions = actions;
    this.navigation = navigation;
    this.query = byId("past-query");
    this.query.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => void actions.load({ query: this.query.value }), TYPING_MS);
    });
    document.addEventListener("click", (event) => this.#follow(event));
    byId("past-more").addEventListener("click", () => void actions.load({ more: true }));
    byId("past-continue").addEventListener("click", () => this.read && actions.continueFrom(this.read));
    byId("past-text").addEventListener("click", () => this.#download("txt"));
    byId("past-json").addEventListener("click", () => this.#download("json"));
    byId("past-delete").addEventListener("click", () => this.#ask(true));
    byId("past-keep").addEventListener("click", () => this.#ask(false));
    byId("past-delete-yes").addEventListener("click", () => void this.#delete());
    byId("open-continue").addEventListener("click", () => this.open && actions.continueFrom(this.open));
    byId("open-done").addEventListener("click", () => {
      actions.done(this.open?.conversation.session_id);
      (document.querySelector("#cards input:checked") ?? byId("query")).focus();
    });
  }

  /** @param {any} state @param {any} before */
  render(state, before) {
    const { place, past, call } = state;
    const idle = call.phase === "idle";
    const reading = idle && place.name === "conversation";
    const listing = idle && place.name === "conversations";
    byId("past").hidden = !listing;
    byId("past-read").hidden = !reading;
    this.read = past.read;
    this.open = past.open;
    const came = place !== before.place || call.phase !== before.call?.phase;
    if (came && listing) void this.actions.load();
    if (came && reading) void this.actions.read(place.id);
    if (came && (listing || reading) && before.place) byId(listing ? "past-title" : "past-name").focus();
    if (past !== before.past || came) {
      if (listing) this.#renderList(past, state.now);
      if (reading) this.#renderRead(past, state.now);
    }
    this.#renderOpen(past.open, idle && !listing && !reading, state.now);
  }

  #renderList(/** @type {any} */ past, /** @type {number} */ now) {
    if (document.activeElement !== this.query) this.query.value = past.query;
    keyed(byId("past-days"), byDay(past.items, now, language), ({ day, items }) => `${day} ${items.map((one) => `${one.session_id} ${one.turns} ${one.found}`).join()}`,
      ({ day, items }) => h("section", { "aria-label": day }, h("h2", { text: day }), h("ul", { role: "list", class: "past-list" }, ...items.map(entry))));
    const none = past.status === "ready" && past.items.length === 0;
    byId("past-empty").hidden = !none && past.status !== "failed";
    setText(byId("past-empty"), past.trouble ? `${past.trouble.message} ${past.trouble.remedy ?? ""}`.trim()
      : past.query.trim() ? t("No conversation has these words.") : t("There are no conversations yet."));
    byId("past-more").hidden = past.next === null;
    setText(byId("past-found"), past.status === "loading" ? t("Loading") : t("{n} conversations", { n: past.items.length }));
  }

  #renderRead(/** @type {any} */ past, /** @type {number} */ now) {
    const { read, trouble } = past;
    byId("past-gone").hidden = !trouble;
    setText(byId("past-gone"), trouble ? trouble.message : "");
    byId("past-whole").hidden = !read;
    setText(byId("past-name"), read ? nameOf(read.conversation) : trouble ? t("Conversation") : t("Loading"));
    if (!read) return this.#ask(false);
    const { conversation, messages } = read;
    const began = Date.parse(conversation.began_at);
    setText(byId("past-when"), `${dayWords(began, now, language)}, ${clock.format(began)} · ${lengthWords(conversation)}`);
    byId("past-continue").disabled = !conversation.agent;
    setText(byId("past-what"), t("Delete this conversation? What {name} learned from it is forgotten, too.", { name: nameOf(conversation) }));
    keyed(byId("past-lines"), asLines(messages), (line) => `${line.who} ${line.id}`, (line) => h("li", { class: `line ${line.who}`, "data-who": line.who },
      h("span", { class: "line-who", text: line.who === "me" ? t("You") : nameOf(conversation) }),
      h("span", { class: "line-text", dir: "auto", text: line.text }),
      h("span", { class: "line-note", text: line.interrupted ? t("interrupted") : "" })));
  }

  #renderOpen(/** @type {any} */ open, /** @type {boolean} */ picking, /** @type {number} */ now) {
    byId("open-conversation").hidden = !open || !picking;
    if (!open) return;
    setText(byId("open-who"), t("You were talking with {name}", { name: nameOf(open.conversation) }));
    setText(byId("open-words"), `“${lastWords(open.messages)}”`);
    setText(byId("open-when"), ago(Date.parse(open.conversation.last_at), now));
  }

  /** Links to places of the page load nothing anew. */
  #follow(/** @type {MouseEvent} */ event) {
    const link = /** @type {HTMLElement} */ (event.target).closest?.("a[data-place]");
    if (!link || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const { id, place } = /** @type {HTMLElement} */ (link).dataset;
    this.navigation.go(/** @type {any} */ ({ name: place, id }));
  }

  /** Shows or hides the question; moves the focus to its buttons and back. */
  #ask(/** @type {boolean} */ asking) {
    const before = this.#asking;
    this.#asking = asking;
    byId("past-question").hidden = !asking;
    if (asking) byId("past-keep").focus();
    else if (before && this.read) byId("past-delete").focus();
  }

  async #delete() {
    const id = this.read?.conversation.session_id;
    if (id && (await this.actions.remove(id))) {
      this.#ask(false);
      this.navigation.go({ name: "conversations" });
    }
  }

  #download(/** @type {"txt" | "json"} */ kind) {
    if (!this.read) return;
    const { conversation, messages } = this.read;
    const [text, type] = kind === "json" ? [JSON.stringify(this.read, null, 2), "application/json"]
      : [transcript(/** @type {any} */ (asLines(messages)), nameOf(conversation)), "text/plain"];
    const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
    /** @type {HTMLAnchorElement} */ (h("a", { href: url, download: `conversation-${conversation.began_at.slice(0, 10)}.${kind}` })).click();
    URL.revokeObjectURL(url);
  }
}

function entry(/** @type {import("./past.js").Item} */ one) {
  const time = Date.parse(one.last_at);
  return h("li", {},
    h("a", { href: pathOf({ name: "conversation", id: one.session_id }), "data-place": "conversation", "data-id": one.session_id, testid: "conversation" },
      h("strong", { class: "past-who", dir: "auto", text: nameOf(one) }),
      h("time", { datetime: one.last_at, text: clock.format(time) }),
      h("span", { class: "past-words", dir: "auto", text: one.found || one.first_words }),
      h("span", { class: "past-length", text: lengthWords(one) })));
}
