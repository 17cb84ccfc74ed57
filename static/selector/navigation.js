/** Addresses of the page and the browser's back button. In a call, going back asks first. */
import { HOME, pathOf, placeOf } from "./places.js";
import { IN_CALL } from "./state.js";

export class Navigation {
  /** Number of the entry in the browser's history at which the page is. */
  #at = Number(history.state?.at ?? 0);
  /** Steps to the entry that the user wants to go to, while they are asked. */
  #wanted = 0;

  /** @param {{store: any, ask: () => void, dismiss: () => void}} parts `ask`: whether the call is to be left */
  constructor({ store, ask, dismiss }) {
    this.store = store;
    this.ask = ask;
    this.dismiss = dismiss;
    history.replaceState({ at: this.#at }, "");
    window.addEventListener("popstate", ({ state }) => this.#moved(Number(state?.at ?? 0)));
  }

  /** Shows the place that the address names. */
  start() {
    this.store.dispatch({ type: "place", place: placeOf(location.pathname) });
  }

  /** @param {import("./places.js").Place} place */
  go(place) {
    if (pathOf(place) === location.pathname) return;
    this.#at += 1;
    history.pushState({ at: this.#at }, "", pathOf(place));
    this.start();
  }

  home() {
    this.go(HOME);
  }

  /** The address of a call is that of its assistant. @param {any} state @param {any} before */
  render({ call }, before) {
    const began = call.phase !== "idle" && (before.call?.phase ?? "idle") === "idle";
    if (!began || !call.agent) return;
    const place = { name: /** @type {const} */ ("talk"), agent: call.agent.id };
    if (call.phase === "requesting") this.go(place);
    else history.replaceState({ at: this.#at }, "", pathOf(place)); // restored, not asked for
    this.start();
  }

  /** The call was left: goes where the user wanted. */
  goOn() {
    const steps = this.#wanted;
    this.#wanted = 0;
    if (steps) history.go(steps);
  }

  #moved(/** @type {number} */ to) {
    const { phase } = this.store.state.call;
    const steps = to - this.#at;
    if (!steps) return; // back at the call
    if (IN_CALL.has(phase) || phase === "leaving") {
      this.#wanted = steps;
      history.go(-steps);
      this.ask();
      return;
    }
    this.#at = to;
    if (phase !== "idle") this.dismiss();
    this.start();
  }
}
