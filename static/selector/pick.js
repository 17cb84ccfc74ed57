/** List of assistants: search, cards, choice. Cards are radio buttons in a form, so the keyboard works without code. */
import { t } from "./texts/text.js";
import { arrange } from "./arrange.js";
import { byId, h, icon, keyed, setText } from "./dom.js";
import { assistantNamed } from "./places.js";
import { shortId } from "./words.js";

export class PickView {
  /** @param {any} actions @param {any} editor */
  constructor(actions, editor) {
    this.actions = actions;
    this.editor = editor;
    this.cards = byId("cards");
    const query = byId("query");
    query.addEventListener("input", () => actions.query(query.value));
    query.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") {
        event.preventDefault();
        (this.cards.querySelector("input:checked") ?? this.cards.querySelector("input"))?.focus();
      }
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || byId("pick").hidden || document.querySelector("dialog[open]") || event.target === query) return;
      event.preventDefault();
      query.focus();
    });
    byId("create").addEventListener("click", () => editor.create());
    this.cards.addEventListener("change", (/** @type {any} */ event) => actions.choose(event.target.value));
    this.cards.addEventListener("dblclick", (/** @type {any} */ event) => event.target.closest("label") && byId("pick-form").requestSubmit());
    byId("pick-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      if (!byId("connect").disabled) actions.connect();
    });
  }

  /** @param {any} state @param {any} before */
  render(state, before) {
    const { agents, call, place } = state;
    const picking = call.phase === "idle" && ["pick", "talk"].includes(place.name);
    byId("pick").hidden = !picking;
    if (!picking || (agents === before.agents && call.phase === before.call?.phase && place === before.place)) return;
    const shown = arrange(agents.items, agents.query, agents.lastUsed);
    this.cards.setAttribute("aria-busy", String(agents.status === "loading"));
    if (agents.status === "loading") this.#skeleton();
    else keyed(this.cards, shown, (one) => `${one.id} ${one.version ?? ""} ${one.name} ${one.description} ${one.facts} ${one.resident} ${one.available}`, (one) => this.#card(one, agents));
    const named = this.#named(place, agents);
    this.#choose(agents, shown, named);
    if (named) byId("connect").focus();
    this.#say(agents, shown);
    this.editor.knows(agents.items);
  }

  /** The assistant that the address names, once: then the user chooses. */
  #named(/** @type {any} */ place, /** @type {any} */ agents) {
    if (place === this.seen || agents.status === "loading") return null;
    this.seen = place;
    return place.name === "talk" ? assistantNamed(agents.items, place.agent) : null;
  }

  #skeleton() {
    if (!this.cards.querySelector(".skeleton")) this.cards.replaceChildren(...Array.from({ length: 6 }, () => h("li", { class: "card skeleton", "aria-hidden": "true" })));
  }

  #card(/** @type {any} */ one, /** @type {any} */ agents) {
    const used = agents.lastUsed.includes(one.id);
    const avatar = h("span", { class: "avatar", "aria-hidden": "true", text: initials(one.name) });
    avatar.style.setProperty("--hue", String(hue(one.id)));
    const facts = [modelWords(one.model, agents.llm), one.kind === "saved" ? t("Yours") : null, one.resident ? t("Always ready") : null, used ? t("last used") : null].filter(Boolean);
    const namesake = agents.items.some((/** @type {any} */ other) => other !== one && other.name === one.name);
    const chips = facts.map((fact) => h("span", { class: "chip", text: fact }));
    if (namesake) chips.unshift(h("code", { class: "chip", title: one.id, text: shortId(one.id) }));
    if (!one.available) chips.push(h("span", { class: "chip warn", text: t("memory is away") }));
    const edit = one.kind === "saved" ? t("Edit {name}", { name: one.name }) : t("Copy {name}", { name: one.name });
    return h("li", { class: "card-place" },
      h("label", { class: "card", testid: `agent-card-${one.id}` },
        h("input", { type: "radio", name: "agent", value: one.id, class: "sr", "data-name": one.name }),
        avatar,
        h("span", { class: "card-words" },
          h("strong", { text: one.name, dir: "auto" }),
          h("span", { class: "card-about", text: one.description || t("No description."), dir: "auto" }),
          one.facts ? h("span", { class: "card-memory", testid: "card-memory", text: one.facts === 1 ? t("Knows 1 thing about you") : t("Knows {n} things about you", { n: one.facts }) }) : null,
          h("span", { class: "chips" }, ...chips))),
      h("button", { type: "button", class: "button small card-talk", testid: `talk-${one.id}`, onclick: () => this.#talk(one.id) },
        icon("mic"), t("Talk"), h("span", { class: "sr", text: t("to {name}", { name: one.name }) })),
      h("button", { type: "button", class: "button round quiet card-edit", testid: `agent-edit-${one.id}`, title: edit, onclick: () => this.editor.edit(one) },
        icon(one.kind === "saved" ? "edit" : "plus"), h("span", { class: "sr", text: edit })));
  }

  #talk(/** @type {string} */ id) {
    this.actions.choose(id);
    this.actions.connect();
  }

  /** Chooses one if the list is not empty: the named one, else the chosen one, else the last used, else the default, else the first. */
  #choose(/** @type {any} */ agents, /** @type {any[]} */ shown, /** @type {any} */ named) {
    const has = (/** @type {string | null} */ id) => shown.find((one) => one.id === id);
    const chosen = named ?? has(agents.chosen) ?? has(agents.lastUsed[0]) ?? shown.find((one) => one.default) ?? shown[0] ?? null;
    if (chosen && chosen.id !== agents.chosen) this.actions.choose(chosen.id);
    for (const input of this.cards.querySelectorAll("input[type=radio]")) input.checked = input.value === chosen?.id;
    byId("connect").disabled = !chosen;
    setText(byId("chosen"), chosen?.name ?? "");
  }

  #say(/** @type {any} */ agents, /** @type {any[]} */ shown) {
    const none = agents.status !== "loading" && shown.length === 0;
    byId("empty").hidden = !none;
    if (none) {
      setText(byId("empty"), agents.items.length ? t("Nobody matches your search.") : agents.status === "failed"
        ? t("The list could not be loaded.") : t("There are no assistants yet. Press “New assistant” to make one."));
    }
    byId("small-model").hidden = !agents.llm?.small_and_local;
    setText(byId("found"), agents.status === "loading" ? t("Loading") : t("{shown} of {all} assistants", { shown: shown.length, all: agents.items.length }));
  }
}

/** @param {string | null} model handle in Letta @param {{model: string, small_and_local: boolean} | null} llm */
function modelWords(model, llm) {
  const name = model?.split("/").at(-1);
  return llm?.small_and_local && name === llm.model ? t("Small local model") : name;
}

function initials(/** @type {string} */ name) {
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? ["?"];
  return (words.length > 1 ? words[0][0] + words[1][0] : [...words[0]].slice(0, 2).join("")).toUpperCase();
}

function hue(/** @type {string} */ id) {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) % 360;
  return sum;
}
