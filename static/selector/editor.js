/** Dialog that creates, edits and deletes saved assistants. A conflict (412) is shown, never overwritten silently. */
import { t } from "./texts/text.js";
import { ApiError } from "./api.js";
import { agentFields } from "./agentfields.js";
import { bodyOf, fieldsOf, hasOwnTts, memoriesOf } from "./agentform.js";
import { byId, h, icon } from "./dom.js";
import { VoiceField } from "./voicefield.js";

/** What the dialog edits. `key`: the same for each attempt to create one assistant. @typedef {{id: string | null, etag: string | null, agent: any, key: string}} Open */

export class EditorView {
  #items = /** @type {any[]} */ ([]);
  #open = /** @type {Open} */ ({ id: null, etag: null, agent: {}, key: "" });
  #voice = /** @type {VoiceField | null} */ (null);
  #before = "";
  #secret = "";

  /** @param {typeof import("./api.js").api} api @param {any} actions */
  constructor(api, actions) {
    this.api = api;
    this.actions = actions;
    this.dialog = byId("editor");
    // The browser would let a second Escape through: the key is taken, not the "cancel" that follows.
    this.dialog.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.#leave();
    });
    this.dialog.addEventListener("cancel", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#leave();
    });
    this.dialog.addEventListener("close", () => this.#voice?.stop());
  }

  /** Takes the listed assistants: their memory can be shared. */
  knows(/** @type {any[]} */ items) {
    this.#items = items;
  }

  create() {
    this.#show({ id: null, etag: null, agent: {}, key: newKey() });
  }

  /** Edits a saved assistant; one of Letta's own becomes the template of a new one, which shares its memory. @param {any} one */
  async edit(one) {
    if (one.kind !== "saved") {
      this.#show({ id: null, etag: null, agent: { ...one, name: t("{name} (copy)", { name: one.name }), config: {} }, key: newKey() }, { advanced: true });
      return;
    }
    this.#show({ id: one.id, etag: null, agent: one, key: "" });
    const form = this.dialog.querySelector("form");
    form.inert = true; // what is typed before everything is there would be lost
    await this.#attempt(async () => this.#load(one.id));
    form.inert = false;
  }

  async #load(/** @type {string} */ id) {
    const { data, etag } = await this.api.getAgent(id, this.#secret);
    this.#show({ id, etag, agent: data, key: "" });
  }

  #show(/** @type {Open} */ open, { advanced = false } = {}) {
    this.#voice?.stop();
    this.#open = open;
    const fields = fieldsOf(open.agent);
    this.#voice = new VoiceField(this.api, fields.voice, { free: hasOwnTts(open.agent.config) });
    this.dialog.replaceChildren(this.#form(agentFields(fields, this.#voice.element, { memories: memoriesOf(this.#items, open.agent), open: advanced })));
    this.#before = this.#typed();
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.querySelector("[name=name]").focus();
  }

  #form(/** @type {Element[]} */ fields) {
    const { id } = this.#open;
    const leave = () => this.#leave();
    return h("form", { method: "dialog", autocomplete: "off", onsubmit: (/** @type {Event} */ event) => this.#save(event) },
      h("header", {}, h("h2", { id: "editor-title", text: id ? t("Edit assistant") : t("New assistant") }),
        h("button", { type: "button", class: "button round quiet", onclick: leave }, icon("close"), h("span", { class: "sr", text: t("Close") }))),
      h("div", { class: "message", role: "alert", testid: "editor-message", hidden: true }),
      ...fields,
      h("footer", {},
        id && h("button", { type: "button", class: "button danger", testid: "editor-delete", text: t("Delete"), onclick: () => this.#askDelete() }),
        h("span", { class: "grow" }),
        h("button", { type: "button", class: "button", testid: "editor-cancel", text: t("Cancel"), onclick: leave }),
        h("button", { type: "submit", class: "button primary", testid: "editor-save", text: t("Save") })));
  }

  #values() {
    return Object.fromEntries(new FormData(this.dialog.querySelector("form")));
  }

  /** Of the fields that are saved. */
  #typed() {
    return JSON.stringify(bodyOf(this.#open.agent.config ?? {}, this.#values()));
  }

  /** Closes the dialog; asks before that whether what was typed may be lost. A second Escape keeps it. */
  #leave() {
    const message = this.dialog.querySelector(".message");
    if (message.dataset.asks && !message.hidden) this.#answered();
    else if (this.#typed() === this.#before) this.dialog.close();
    else {
      this.#ask(t("Your changes are not saved."), [],
        h("button", { type: "button", class: "button small", testid: "editor-keep", text: t("Keep editing"), onclick: () => this.#answered() }),
        h("button", { type: "button", class: "button small danger", testid: "editor-discard", text: t("Discard"), onclick: () => this.dialog.close() }));
    }
  }

  #askDelete() {
    const { name, own_memory } = this.#open.agent;
    const too = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", testid: "editor-forget" }));
    const about = own_memory ? h("label", { class: "check" }, too, h("span", { text: t("Also delete everything that it remembers, about everybody") }))
      : h("p", { text: t("The memory that it shares is kept.") });
    this.#ask(t("Delete {name}?", { name }), [about],
      h("button", { type: "button", class: "button small", testid: "editor-keep", text: t("Keep"), onclick: () => this.#answered() }),
      h("button", { type: "button", class: "button small danger", testid: "editor-delete-yes", text: t("Delete"), onclick: () => this.#delete(too.checked) }));
  }

  /** The first button is the safe one, and has the focus. */
  #ask(/** @type {string} */ question, /** @type {Element[]} */ more, /** @type {Element[]} */ ...buttons) {
    const message = this.#say(h("strong", { text: question }), ...more, h("span", { class: "buttons" }, ...buttons));
    message.dataset.asks = "yes";
    /** @type {HTMLElement} */ (buttons[0]).focus();
  }

  #answered() {
    this.dialog.querySelector(".message").hidden = true;
    this.dialog.querySelector("[name=name]").focus();
  }

  #say(/** @type {(Node | string)[]} */ ...words) {
    const message = this.dialog.querySelector(".message");
    message.hidden = false;
    delete message.dataset.asks;
    message.replaceChildren(...words);
    message.scrollIntoView({ block: "nearest" });
    return message;
  }

  async #save(/** @type {Event} */ event) {
    event.preventDefault();
    await this.#attempt(async () => {
      const { id, etag, agent, key } = this.#open;
      const body = bodyOf(agent.config ?? {}, this.#values());
      const { data } = id ? await this.api.updateAgent(id, body, etag, this.#secret) : await this.api.createAgent(body, this.#secret, key);
      this.dialog.close();
      await this.actions.reload();
      this.actions.choose(data.id);
      await this.#focusCard();
    });
  }

  async #delete(/** @type {boolean} */ forget) {
    await this.#attempt(async () => {
      await this.api.deleteAgent(/** @type {string} */ (this.#open.id), this.#open.etag, this.#secret, forget);
      this.dialog.close();
      await this.actions.reload();
      await this.#focusCard();
    });
  }

  /** The button that opened the dialog may be gone, or drawn anew. */
  async #focusCard() {
    await new Promise((drawn) => setTimeout(drawn));
    (byId("cards").querySelector("input:checked") ?? byId("create")).focus();
  }

  /** Runs a request of the dialog; shows a failure in the dialog. */
  async #attempt(/** @type {() => Promise<void>} */ work) {
    const save = this.dialog.querySelector("[type=submit]");
    save.disabled = true;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#explain(error);
    } finally {
      save.disabled = false;
    }
  }

  #explain(/** @type {ApiError} */ error) {
    const message = this.dialog.querySelector(".message");
    message.hidden = true;
    message.dataset.code = error.code;
    if (error.code === "voice_unknown") this.#voice?.explain(`${error.message} ${error.remedy}`);
    else if (error.status === 412) this.#say(...this.#conflict());
    else if (error.status === 401) this.#say(...this.#askSecret());
    else this.#say(h("strong", { text: error.message }), " ", error.remedy);
  }

  /** Another user saved meanwhile: load that version, or knowingly overwrite it with what is typed. */
  #conflict() {
    const id = /** @type {string} */ (this.#open.id);
    const overwrite = () => this.#attempt(async () => {
      const { etag, data } = await this.api.getAgent(id, this.#secret);
      this.#open = { ...this.#open, etag, agent: data };
      this.dialog.querySelector("form").requestSubmit();
    });
    return [
      h("strong", { text: t("Somebody else changed this assistant while you were editing.") }),
      " ", t("Nothing was saved yet."), " ",
      h("span", { class: "buttons" },
        h("button", { type: "button", class: "button small", testid: "editor-theirs", text: t("Show theirs"), onclick: () => this.#attempt(() => this.#load(id)) }),
        h("button", { type: "button", class: "button small", testid: "editor-mine", text: t("Save mine over theirs"), onclick: overwrite })),
    ];
  }

  /** The secret is kept in memory only, until the page is closed. */
  #askSecret() {
    const input = h("input", { type: "password", autocomplete: "off", "aria-label": t("Administrator's secret"), value: this.#secret,
      onchange: (/** @type {any} */ event) => { this.#secret = event.target.value; } });
    return [h("strong", { text: t("Changing assistants needs the administrator's secret.") }), " ", t("Enter it and save again."), " ", input];
  }
}

/** `randomUUID` exists in secure contexts only. */
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
