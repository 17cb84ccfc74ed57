/** List of present problems, the worst first, each with its remedy. */
import { t } from "./texts/text.js";
import { byId, h, icon, keyed, setText } from "./dom.js";
import { problems } from "./problems.js";

const ACTION_WORDS = { retry: t("Try now"), reload: t("Try again"), microphone: t("Try again"), unblock: t("Turn sound on"), sound: t("Audio settings") };

export class ProblemsView {
  /** @param {any} actions */
  constructor(actions) {
    this.list = byId("problem-list");
    this.run = {
      retry: actions.retry, reload: actions.reload, microphone: actions.microphone, unblock: actions.unblock, sound: actions.openSound,
      noted: actions.noted, notice: actions.closeNotice,
    };
  }

  /** @param {any} state */
  render(state) {
    const found = problems(state).slice(0, 3);
    keyed(this.list, found, (one) => `${one.code} ${one.action ?? ""}`, (one) => this.#make(one), (element, one) => {
      setText(element.children[0].children[0], one.message);
      setText(element.children[0].children[1], one.remedy);
    });
  }

  #make(/** @type {import("./problems.js").Problem} */ one) {
    const act = () => this.run[one.action ?? ""]?.(one.code);
    const button = one.closable
      ? h("button", { type: "button", class: "button round quiet", onclick: act }, icon("close"), h("span", { class: "sr", text: t("Close") }))
      : one.action && h("button", { type: "button", class: "button small", testid: `do-${one.action}`, onclick: act, text: ACTION_WORDS[one.action] });
    return h("li", { class: `problem ${one.level}`, testid: "notice", "data-code": one.code, "data-level": one.level },
      h("p", {}, h("strong", {}), h("span", {})), button);
  }
}
