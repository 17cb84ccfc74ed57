/** Field of an assistant's voice: a list, and a sentence in the voice that is chosen. */
import { t } from "./texts/text.js";
import { ApiError } from "./api.js";
import { h, icon, setText } from "./dom.js";
import { voiceGroups } from "./voices.js";

export class VoiceField {
  #listed = /** @type {import("./voices.js").Listed} */ ({ voices: [], complete: false, default: "" });
  #sound = /** @type {HTMLAudioElement | null} */ (null);
  #asked = 0;

  /** @param {typeof import("./api.js").api} api @param {string} chosen @param {{free: boolean}} how `free`: the TTS is not the installation's, so its voices are not known */
  constructor(api, chosen, { free }) {
    this.api = api;
    this.free = free;
    this.control = /** @type {any} */ (this.#input(chosen));
    this.place = h("span", { class: "voice-choice" }, this.control);
    this.listen = /** @type {HTMLButtonElement} */ (h("button", { type: "button", class: "button", testid: "voice-listen", hidden: true, onclick: () => void this.#press() }, icon("play"), h("span", { text: t("Listen") })));
    this.note = h("p", { id: "voice-note", class: "field-note", testid: "voice-note", role: "alert" });
    this.element = h("div", { class: "field" },
      h("label", { for: "voice", text: t("Voice") }), h("span", { class: "voice-row" }, this.place, this.listen), this.note);
    if (!free) void this.#load();
  }

  /** Says what is wrong with the voice; an empty text: nothing. */
  explain(/** @type {string} */ text) {
    setText(this.note, text);
    if (text) {
      this.control.setAttribute("aria-invalid", "true");
      this.control.focus();
    } else this.control.removeAttribute("aria-invalid");
  }

  /** Ends what is heard, and forgets what is on its way. */
  stop() {
    this.#asked += 1;
    if (this.#sound) URL.revokeObjectURL(this.#sound.src);
    this.#sound?.pause();
    this.#sound = null;
    this.#show("play", t("Listen"));
  }

  async #load() {
    try {
      this.#listed = await this.api.voices();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return; // the name of a voice can be typed
    }
    const { voices, complete } = this.#listed;
    const focused = document.activeElement === this.control;
    this.control = complete ? this.#select(this.control.value) : this.#input(this.control.value);
    this.place.replaceChildren(this.control, ...(complete ? [] : [h("datalist", { id: "voices" }, ...voices.map(({ id }) => h("option", { value: id })))]));
    if (focused) this.control.focus();
    this.#changed();
  }

  #input(/** @type {string} */ value) {
    return h("input", { ...this.#common(), maxlength: 100, value, placeholder: t("Default"), list: "voices" });
  }

  #select(/** @type {string} */ chosen) {
    const option = (/** @type {{id: string, name: string}} */ { id, name }) => h("option", { value: id, text: name });
    const { voices } = this.#listed;
    const usual = voices.find(({ id }) => id === this.#listed.default);
    const unlisted = chosen && !voices.some(({ id }) => id === chosen) ? [option({ id: chosen, name: chosen })] : [];
    const select = /** @type {HTMLSelectElement} */ (h("select", this.#common(),
      h("option", { value: "", text: usual ? t("Default ({name})", { name: usual.name }) : t("Default") }), ...unlisted,
      ...voiceGroups(voices, document.documentElement.lang).map(({ language, members }) => (language ? h("optgroup", { label: language }, ...members.map(option)) : h("optgroup", { label: t("Other voices") }, ...members.map(option))))));
    select.value = chosen;
    return select;
  }

  #common() {
    return { id: "voice", name: "voice", "aria-describedby": "voice-note", oninput: () => this.#changed() };
  }

  #voice() {
    const id = this.control.value.trim() || this.#listed.default;
    return this.#listed.voices.find((one) => one.id === id);
  }

  #changed() {
    this.stop();
    this.explain("");
    this.listen.hidden = !this.#voice()?.preview;
  }

  async #press() {
    const voice = this.#voice();
    const playing = this.#sound || this.listen.getAttribute("aria-busy");
    this.stop();
    if (playing || !voice) return;
    this.explain("");
    const asked = this.#asked;
    this.#show("play", t("Just a moment"), true);
    try {
      const sound = new Audio(URL.createObjectURL(await this.api.voicePreview(voice.id)));
      if (asked !== this.#asked) return;
      this.#sound = sound;
      sound.addEventListener("ended", () => this.#sound === sound && this.stop());
      await sound.play();
      if (asked === this.#asked) this.#show("close", t("Stop"));
    } catch (error) {
      if (asked !== this.#asked) return; // stopped before it began
      this.stop();
      setText(this.note, error instanceof ApiError ? `${error.message} ${error.remedy}` : t("The browser could not play it."));
    }
  }

  #show(/** @type {string} */ sign, /** @type {string} */ text, busy = false) {
    this.listen.replaceChildren(icon(sign), h("span", { text }));
    if (busy) this.listen.setAttribute("aria-busy", "true");
    else this.listen.removeAttribute("aria-busy");
  }
}
