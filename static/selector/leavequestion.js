/** Question before the browser's back button leaves a call. */
import { byId } from "./dom.js";
import { IN_CALL } from "./state.js";

export class LeaveQuestion {
  /** @param {() => void} leave */
  constructor(leave) {
    this.dialog = byId("leave-question");
    byId("leave-yes").addEventListener("click", () => {
      this.dialog.close();
      leave();
    });
    byId("leave-no").addEventListener("click", () => this.dialog.close());
  }

  ask() {
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** @param {any} state */
  render({ call }) {
    if (this.dialog.open && !IN_CALL.has(call.phase)) this.dialog.close();
  }
}
