/** Store of the state; notifies the views once per batch of changes. */
import { initialState, reduce } from "./state.js";

export function createStore() {
  let state = initialState;
  let shown = /** @type {any} */ (null);
  let scheduled = false;
  const listeners = /** @type {((state: any, before: any) => void)[]} */ ([]);

  function show() {
    scheduled = false;
    const before = shown ?? {};
    shown = state;
    for (const listener of listeners) listener(state, before);
  }

  return {
    get state() {
      return state;
    },
    dispatch(/** @type {import("./state.js").Event} */ event) {
      const next = reduce(state, event);
      if (next === state) return;
      state = next;
      // A microtask, not an animation frame: hidden tabs get no frames but must stay up to date.
      if (!scheduled) queueMicrotask(show);
      scheduled = true;
    },
    subscribe(/** @type {(state: any, before: any) => void} */ listener) {
      listeners.push(listener);
    },
  };
}
