/** View of the conversation: the assistant and its state, captions, text input, buttons of the call. */
import { t } from "./texts/text.js";
import { byId, h, keyed, setText } from "./dom.js";
import { drewWords } from "./memory.js";
import { IN_CALL } from "./state.js";
import { announcement, headline } from "./words.js";

/** Labels of the first button when the page is not in a call. */
const RETURN_WORDS = { left: t("Resume"), stopped: t("Try again"), displaced: t("Use here") };

/** Root mean square → 0…1 on a logarithmic scale, like hearing. */
const loudness = (/** @type {number} */ level) => Math.min(1, Math.max(0, 1 + Math.log10(Math.max(level, 1e-5)) / 2.5));

export class TalkView {
  constructor() {
    this.captions = byId("captions");
    this.frame = byId("captions-frame");
    this.orb = byId("orb");
    this.bars = document.querySelectorAll(".level > i");
  }

  /** @param {any} actions @param {import("./sound.js").Sound} sound */
  bind(actions, sound) {
    byId("disconnect").addEventListener("click", actions.leave);
    byId("reconnect").addEventListener("click", () => actions.connect());
    byId("fresh").addEventListener("click", () => actions.connect({ fresh: true }));
    byId("choose-another").addEventListener("click", actions.dismiss);
    byId("open-sound").addEventListener("click", actions.openSound);
    byId("mute").addEventListener("click", () => sound.mute(byId("mute").getAttribute("aria-pressed") !== "true"));
    this.#bindHold(sound);
    const message = byId("message");
    let sending = false;
    byId("composer").addEventListener("submit", async (/** @type {Event} */ event) => {
      event.preventDefault();
      const text = message.value.trim();
      if (!text || message.disabled || sending) return;
      sending = true;
      try {
        await actions.say(text);
        if (message.value.trim() === text) message.value = "";
      } catch {
        message.setCustomValidity(t("This was not sent. Try again."));
        message.reportValidity();
      } finally {
        sending = false;
      }
    });
    message.addEventListener("input", () => message.setCustomValidity(""));
    byId("details-toggle").addEventListener("click", (/** @type {any} */ event) => {
      const open = byId("talk").classList.toggle("with-details");
      event.currentTarget.setAttribute("aria-expanded", String(open));
    });
  }

  #bindHold(/** @type {import("./sound.js").Sound} */ sound) {
    const hold = byId("hold");
    const stop = () => void sound.talk(false);
    hold.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      hold.setPointerCapture(event.pointerId);
      void sound.talk(true);
    });
    for (const end of ["pointerup", "pointercancel", "blur"]) hold.addEventListener(end, stop);
    const typing = (/** @type {any} */ target) => target.closest?.("input, select, textarea, dialog") || (target.closest?.("button") && target !== hold);
    document.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() === "m" && !event.ctrlKey && !event.metaKey && !event.altKey && !typing(event.target) && !byId("mute").hidden && !byId("mute").disabled && !byId("controls-live").hidden && !byId("talk").hidden) {
        byId("mute").click();
        return;
      }
      if (event.code !== "Space" || hold.hidden || typing(event.target)) return;
      event.preventDefault();
      if (!event.repeat) void sound.talk(true);
    });
    document.addEventListener("keyup", (event) => event.code === "Space" && !hold.hidden && stop());
    window.addEventListener("blur", stop);
  }

  /** @param {any} state @param {any} before */
  render(state, before) {
    if (state.call !== before.call || state.people !== before.people || state.sound.muted !== before.sound?.muted) this.#renderCall(state, before);
    if (state.sound !== before.sound) this.#renderSound(state.sound);
    if (state.captions !== before.captions || state.call !== before.call) this.#renderCaptions(state);
  }

  #renderCall(/** @type {any} */ state, /** @type {any} */ before) {
    const { call, people } = state;
    const talking = call.phase !== "idle";
    byId("talk").hidden = !talking;
    // Problems appear above the list or over the captions, where they move nothing else.
    const place = byId(talking ? "captions-place" : "pick-problems");
    if (byId("problems").parentElement !== place) place.append(byId("problems"));
    document.body.dataset.view = talking ? "talk" : "pick";
    document.body.dataset.phase = call.phase;
    const { mood, text } = headline(state);
    const name = people.assistant?.name || call.agent?.name || "";
    setText(byId("talk-name"), name);
    setText(byId("headline"), text);
    setText(byId("announcement"), announcement(state));
    byId("headline").dataset.mood = mood;
    this.orb.dataset.mood = mood;
    document.title = talking ? `${name} · ${text}` : t("Voice agent");
    this.#renderControls(call);
    if (call.phase !== before.call?.phase) this.#focus(call.phase, before.call?.phase);
  }

  #renderControls(/** @type {any} */ call) {
    const away = call.phase in RETURN_WORDS;
    byId("controls-live").hidden = away;
    byId("controls-away").hidden = !away;
    const expired = call.trouble?.code === "session_expired";
    setText(byId("reconnect"), expired ? t("Start a new one") : (RETURN_WORDS[call.phase] ?? t("Resume")));
    byId("fresh").hidden = call.phase !== "left";
    byId("disconnect").disabled = call.phase === "leaving";
    byId("message").disabled = byId("send").disabled = call.phase !== "live";
    byId("mute").disabled = byId("hold").disabled = !["live", "shaky"].includes(call.phase);
  }

  /** Moves the focus away from a button that disappears, and never to one that ends the call. */
  #focus(/** @type {string} */ phase, /** @type {string | undefined} */ before) {
    if (before === undefined) return;
    if (phase in RETURN_WORDS) byId("reconnect").focus();
    else if (phase === "idle") (document.querySelector("#cards input:checked") ?? byId("query")).focus();
    else if (!IN_CALL.has(before) && IN_CALL.has(phase)) this.frame.focus();
    // On a touch screen this would open the keyboard; who holds to talk has the space bar for it.
    if (phase === "live" && document.activeElement === this.frame && byId("hold").hidden && matchMedia("(pointer: fine)").matches) byId("message").focus();
  }

  #renderSound(/** @type {any} */ sound) {
    const mute = byId("mute");
    mute.hidden = sound.pushToTalk;
    byId("hold").hidden = !sound.pushToTalk;
    mute.setAttribute("aria-pressed", String(sound.muted));
    setText(byId("mute-text"), sound.muted ? t("Unmute") : t("Mute"));
    mute.querySelector("use").setAttribute("href", sound.muted ? "#i-mic-off" : "#i-mic");
    byId("hold").classList.toggle("active", sound.talking);
    setText(byId("hold-text"), sound.talking ? t("Release to send") : t("Hold to talk"));
  }

  #renderCaptions(/** @type {any} */ { captions, call, people }) {
    byId("captions-hint").hidden = captions.length > 0 || call.phase !== "live";
    const atEnd = this.frame.scrollHeight - this.frame.scrollTop - this.frame.clientHeight < 80;
    const speaker = people.assistant?.name || call.agent?.name || t("Assistant");
    keyed(this.captions, captions, (line) => `${line.who} ${line.id}`,
      (line) => h("li", { class: `line ${line.who}`, "data-who": line.who },
        h("span", { class: "line-who", text: line.who === "me" ? t("You") : line.who === "assistant" ? speaker : (line.name || t("Someone")) }),
        h("span", { class: "line-text", dir: "auto" }),
        h("span", { class: "line-note" }),
        h("span", { class: "line-drew", testid: "drew-on", dir: "auto" })),
      (element, line) => {
        element.classList.toggle("interim", !line.final);
        /** @type {HTMLElement} */ (element).dataset.final = String(line.final);
        setText(element.children[1], line.text);
        setText(element.children[2], line.interrupted ? t("interrupted") : line.typed ? t("typed") : "");
        setText(element.children[3], drewWords(line));
      });
    if (atEnd) this.frame.scrollTop = this.frame.scrollHeight;
  }

  /** Bypasses the state: called twenty times a second. @param {number} mine @param {number} theirs */
  levels(mine, theirs) {
    const scale = `scaleX(${loudness(mine).toFixed(2)})`;
    for (const bar of this.bars) /** @type {HTMLElement} */ (bar).style.transform = scale;
    this.orb.style.setProperty("--level", loudness(theirs).toFixed(2));
  }
}
