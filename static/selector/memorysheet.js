/** Dialog "What I know about you": facts with their dates; one or all can be forgotten. */
import { t } from "./texts/text.js";
import { byId, h, keyed, setText } from "./dom.js";
import { dateWords, standingWords } from "./memory.js";

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

export class MemorySheet {
  /** @param {any} actions */
  constructor(actions) {
    this.actions = actions;
    this.dialog = byId("memory");
    this.list = byId("memory-facts");
    byId("open-memory").addEventListener("click", () => {
      this.#ask(null);
      void actions.lookAtMemory();
      this.dialog.showModal();
    });
    this.dialog.querySelector("[data-close]").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (/** @type {Event} */ event) => event.target === this.dialog && this.dialog.close());
    byId("forget-all").addEventListener("click", () => this.#ask({ id: null, text: "everything" }));
    byId("forget-yes").addEventListener("click", () => void this.#forget());
    byId("forget-no").addEventListener("click", () => this.#ask(null));
    this.asked = /** @type {{id: string | null, text: string} | null} */ (null);
  }

  /** @param {any} state @param {any} before */
  render(state, before) {
    byId("open-memory").hidden = !state.call.sessionId;
    if (state.call.phase === "idle" && this.dialog.open) this.dialog.close();
    const { known, trouble } = state.memory;
    if (state.memory === before.memory) return;
    const facts = known?.facts ?? [];
    setText(byId("memory-standing"), trouble ? trouble.message : !known ? "" : facts.length ? standingWords(known)
      : known.pending + known.parked ? standingWords(known) : t("Nothing yet."));
    byId("forget-all").hidden = facts.length === 0;
    keyed(this.list, facts, ({ fact_id }) => fact_id, (fact) => h("li", { testid: "memory-fact" },
      h("span", { class: "fact-text", dir: "auto", text: fact.text }),
      h("time", { datetime: fact.said_at, text: dateWords(fact.said_at, day) }),
      h("button", { type: "button", class: "button small", onclick: () => this.#ask({ id: fact.fact_id, text: fact.text }) },
        t("Forget"), h("span", { class: "sr", text: `: ${fact.text}` }))));
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
