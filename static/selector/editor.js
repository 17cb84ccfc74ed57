/** Dialog that creates, edits and deletes saved assistants. A conflict (412) is shown, never overwritten silently. */
import { t } from "./texts/text.js";
import { ApiError } from "./api.js";
import { byId, h, icon } from "./dom.js";
import { changedConfig, fieldsOf } from "./agentform.js";

const ROLES = [["general", t("General")], ["customer", t("Customer")], ["owner", t("Owner")]];
const SCOPES = [["personal", t("Yes: what each person says, for that person only")], ["read_only", t("No: nothing beyond the transcript")]];
const PATHS = [["hybrid", t("Language model, with memory")], ["letta", t("Letta itself")]];
const POLICIES = [["session", t("Per conversation")], ["shared", t("Shared")], ["resident", t("Always there")]];

export class EditorView {
  #items = /** @type {any[]} */ ([]);
  #open = /** @type {{id: string | null, etag: string | null, config: object}} */ ({ id: null, etag: null, config: {} });
  #secret = "";

  /** @param {typeof import("./api.js").api} api @param {any} actions */
  constructor(api, actions) {
    this.api = api;
    this.actions = actions;
    this.dialog = byId("editor");
  }

  /** Takes the listed assistants: Letta's own ones can be the memory of a saved one. */
  knows(/** @type {any[]} */ items) {
    this.#items = items;
  }

  create() {
    this.#show({ title: t("New assistant"), agent: {}, etag: null, id: null });
  }

  /** Edits a saved assistant; one of Letta's own becomes the template of a new saved one. @param {any} one */
  async edit(one) {
    if (one.kind !== "saved") {
      this.#show({ title: t("New assistant"), agent: { ...one, name: t("{name} (mine)", { name: one.name }), config: {} }, etag: null, id: null });
      return;
    }
    this.#show({ title: t("Edit assistant"), agent: one, etag: null, id: one.id });
    await this.#attempt(async () => this.#load(one.id));
  }

  async #load(/** @type {string} */ id) {
    const { data, etag } = await this.api.getAgent(id, this.#secret);
    this.#show({ title: t("Edit assistant"), agent: data, etag, id });
  }

  #show(/** @type {{title: string, agent: any, etag: string | null, id: string | null}} */ { title, agent, etag, id }) {
    this.#open = { id, etag, config: agent.config ?? {} };
    this.dialog.replaceChildren(this.#form(title, fieldsOf(agent)));
    if (!this.dialog.open) this.dialog.showModal();
  }

  #form(/** @type {string} */ title, /** @type {any} */ fields) {
    const letta = [...new Map(this.#items.map((one) => [one.letta_agent_id, one.name])).entries()];
    if (fields.letta_agent_id && !letta.some(([id]) => id === fields.letta_agent_id)) letta.push([fields.letta_agent_id, fields.letta_agent_id]);
    const field = (/** @type {string} */ label, /** @type {Element[]} */ ...input) => h("label", { class: "field", text: label }, ...input);
    const form = h("form", { method: "dialog", autocomplete: "off", onsubmit: (/** @type {Event} */ event) => this.#save(event) },
      h("header", {}, h("h2", { id: "editor-title", text: title }), this.#close()),
      h("div", { class: "message", role: "alert", testid: "editor-message", hidden: true }),
      field(t("Name"), h("input", { name: "name", required: true, maxlength: 200, value: fields.name })),
      field(t("Description"), h("input", { name: "description", maxlength: 2000, value: fields.description })),
      field(t("Memory of"), select("letta_agent_id", letta, fields.letta_agent_id)),
      field(t("Greeting"), h("input", { name: "greeting", maxlength: 2000, value: fields.greeting, placeholder: t("The usual one") })),
      field(t("Instructions"), h("textarea", { name: "instructions", rows: 4, maxlength: 20000, text: fields.instructions })),
      field(t("Remember conversations"), select("memory_scope", SCOPES, fields.memory_scope)),
      h("div", { class: "pair" },
        field(t("Memory blocks for everyone"), h("input", { name: "heard_by_everyone", value: fields.heard_by_everyone, placeholder: "persona, task" })),
        field(t("Memory blocks for known users"), h("input", { name: "heard_by_known", value: fields.heard_by_known, placeholder: t("All others: the owner only") }))),
      h("div", { class: "pair" },
        field(t("Speaks with"), select("role", ROLES, fields.role)), field(t("Room"), select("room_policy", POLICIES, fields.room_policy))),
      h("div", { class: "pair" },
        field(t("Answers come from"), select("reply_path", PATHS, fields.reply_path)),
        field(t("Voice"), h("input", { name: "voice", maxlength: 100, value: fields.voice, placeholder: t("The usual one") }))),
      field(t("Language"), h("input", { name: "language", maxlength: 20, value: fields.language, placeholder: t("The installation's"), list: "languages" }),
        h("datalist", { id: "languages" }, ...["en", "es", "fr", "auto"].map((value) => h("option", { value })))),
      h("footer", {},
        this.#open.id && h("button", { type: "button", class: "button danger", testid: "editor-delete", text: t("Delete"), onclick: (/** @type {any} */ event) => this.#delete(event.currentTarget) }),
        h("span", { class: "grow" }),
        h("button", { type: "submit", class: "button primary", testid: "editor-save", text: t("Save") })));
    return form;
  }

  #close() {
    return h("button", { type: "button", class: "button round quiet", onclick: () => this.dialog.close() }, icon("close"), h("span", { class: "sr", text: t("Close") }));
  }

  #body() {
    const values = Object.fromEntries(new FormData(this.dialog.querySelector("form")));
    const { name, description, letta_agent_id, role } = values;
    return { name, description, letta_agent_id, role, config: changedConfig(this.#open.config, values) };
  }

  async #save(/** @type {Event} */ event) {
    event.preventDefault();
    await this.#attempt(async () => {
      const { id, etag } = this.#open;
      const { data } = id ? await this.api.updateAgent(id, this.#body(), etag, this.#secret) : await this.api.createAgent(this.#body(), this.#secret);
      this.dialog.close();
      await this.actions.reload();
      this.actions.choose(data.id);
    });
  }

  async #delete(/** @type {HTMLButtonElement} */ button) {
    if (!button.dataset.sure) {
      button.dataset.sure = "yes";
      button.textContent = t("Really delete?");
      return;
    }
    await this.#attempt(async () => {
      await this.api.deleteAgent(/** @type {string} */ (this.#open.id), this.#open.etag, this.#secret);
      this.dialog.close();
      await this.actions.reload();
    });
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
    message.hidden = false;
    message.dataset.code = error.code;
    if (error.status === 412) message.replaceChildren(...this.#conflict());
    else if (error.status === 401) message.replaceChildren(...this.#askSecret());
    else message.replaceChildren(h("strong", { text: error.message }), " ", error.remedy);
    message.scrollIntoView({ block: "nearest" });
  }

  /** Another user saved meanwhile: load that version, or knowingly overwrite it with what is typed. */
  #conflict() {
    const id = /** @type {string} */ (this.#open.id);
    const overwrite = () => this.#attempt(async () => {
      const { etag, data } = await this.api.getAgent(id, this.#secret);
      this.#open = { id, etag, config: data.config ?? {} };
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

function select(/** @type {string} */ name, /** @type {string[][]} */ options, /** @type {string} */ chosen) {
  const element = /** @type {HTMLSelectElement} */ (h("select", { name, required: true }, ...options.map(([value, text]) => h("option", { value, text }))));
  if (chosen) element.value = chosen;
  return element;
}
