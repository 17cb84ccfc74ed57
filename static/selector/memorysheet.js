/** Dialog "What I know about you": facts, each with when and to whom it was told; corrected, or forgotten one by one or all. */
import { t } from "./texts/text.js";
import { byId, h, keyed, setText } from "./dom.js";
import { standingWords, toldWords } from "./memory.js";

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

export class MemorySheet {
  /** @param {any} actions */
  constructor(actions) {
    this.actions = actions;
    this.dialog = byId("memory");
    this.list = byId("memory-facts");
    byId("open-memory").addEventListener("click", () => this.open());
    this.dialog.querySelector("[data-close]").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (/** @type {Event} */ event) => event.target === this.dialog && this.dialog.close());
    byId("forget-all").addEventListener("click", () => this.#ask({ id: null, text: "everything" }));
    byId("forget-yes").addEventListener("click", () => void this.#forget());
    byId("forget-no").addEventListener("click", () => this.#ask(null));
    this.asked = /** @type {{id: string | null, text: string} | null} */ (null);
  }

  open() {
    this.#ask(null);
    void this.actions.lookAtMemory();
    this.dialog.showModal();
  }

  /** @param {any} state @param {any} before */
  render(state, before) {
    byId("open-memory").hidden = !state.call.sessionId;
    if (state.call.phase === "idle" && before.call.phase !== "idle" && this.dialog.open) this.dialog.close();
    const { known, trouble } = state.memory;
    if (state.memory === before.memory) return;
    const facts = known?.facts ?? [];
    setText(byId("memory-standing"), trouble || facts.length || (known && known.pending + known.parked) ? standingWords(known, trouble) : known ? t("Nothing yet.") : "");
    byId("forget-all").hidden = facts.length === 0;
    const names = new Map(state.agents.items.map((/** @type {any} */ one) => [one.letta_agent_id, one.name]));
    keyed(this.list, facts, ({ fact_id }) => fact_id, (fact) => h("li", { testid: "memory-fact", "data-session": fact.session_id }, ...this.#line(fact, names.get(fact.agent_id) ?? "")));
  }

  /** @param {import("./memory.js").Fact} fact @param {string} assistant */
  #line(fact, assistant) {
    const about = () => h("span", { class: "sr", text: `: ${fact.text}` });
    return [
      h("span", { class: "fact-text", dir: "auto", text: fact.text }),
      h("time", { datetime: fact.said_at, text: toldWords(fact, assistant, day) }),
      h("span", { class: "fact-buttons" },
        h("button", { type: "button", class: "button small", testid: "fact-correct", onclick: (/** @type {Event} */ event) => this.#edit(event, fact, assistant) }, t("Correct"), about()),
        h("button", { type: "button", class: "button small", testid: "fact-forget", onclick: () => this.#ask({ id: fact.fact_id, text: fact.text }) }, t("Forget"), about())),
    ];
  }

  /** @param {Event} event @param {import("./memory.js").Fact} fact @param {string} assistant */
  #edit(event, fact, assistant) {
    const line = /** @type {HTMLElement} */ (/** @type {HTMLElement} */ (event.target).closest("li"));
    const input = /** @type {HTMLInputElement} */ (h("input", { type: "text", maxlength: "200", value: fact.text, "aria-label": t("What is right"), testid: "fact-text" }));
    const stop = () => {
      line.replaceChildren(...this.#line(fact, assistant));
      /** @type {HTMLElement} */ (line.querySelector("button")).focus();
    };
    const save = async () => {
      const text = input.value.trim();
      if (!text || text === fact.text) return stop();
      await this.actions.correct(fact.fact_id, text);
      if (line.isConnected) stop();
      else this.dialog.querySelector("[data-close]").focus();
    };
    input.addEventListener("keydown", (pressed) => {
      if (pressed.key !== "Enter" && pressed.key !== "Escape") return;
      pressed.preventDefault(); // neither closes the dialog
      if (pressed.key === "Enter") void save();
      else stop();
    });
    line.replaceChildren(input, h("span", { class: "fact-buttons" },
      h("button", { type: "button", class: "button small", testid: "fact-save", text: t("Save"), onclick: () => void save() }),
      h("button", { type: "button", class: "button small", text: t("Cancel"), onclick: stop })));
    input.focus();
  }

  /** Asks one question at a time; moves the focus to its buttons and back. */
  #ask(/** @type {{id: string | null, text: string} | null} */ what) {
    const before = this.asked;
    this.asked = what;
    byId("forget-question").hidden = !what;
    if (what) {
      setText(byId("forget-what"), what.id ? t("Forget “{text}”?", { text: what.text }) : t("Forget everything that I know about you?"));
      byId("forget-no").focus();
    } else if (before) this.dialog.querySelector("[data-close]").focus();
  }

  async #forget() {
    const { asked } = this;
    this.#ask(null);
    if (asked) await this.actions.forget(asked.id);
  }
}
