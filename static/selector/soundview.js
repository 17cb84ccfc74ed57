/** Dialog for microphone, loudspeaker, volume and push to talk. */
import { t } from "./texts/text.js";
import { byId, h } from "./dom.js";

export class SoundView {
  /** @param {import("./sound.js").Sound} sound */
  constructor(sound) {
    const dialog = byId("sound");
    dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (/** @type {Event} */ event) => event.target === dialog && dialog.close());
    byId("microphone").addEventListener("change", (/** @type {any} */ event) => void sound.useMicrophone(event.target.value));
    byId("speaker").addEventListener("change", (/** @type {any} */ event) => void sound.useSpeaker(event.target.value));
    byId("volume").addEventListener("input", (/** @type {any} */ event) => sound.volume(Number(event.target.value)));
    byId("ptt").addEventListener("change", (/** @type {any} */ event) => void sound.pushToTalk(event.target.checked));
    byId("speaker-field").hidden = !("setSinkId" in HTMLMediaElement.prototype);
  }

  /** @param {any} state @param {any} before */
  render({ sound }, before) {
    if (sound === before.sound) return;
    fill(byId("microphone"), sound.microphones, sound.micId);
    fill(byId("speaker"), sound.speakers, sound.speakerId);
    byId("volume").value = sound.volume;
    byId("ptt").checked = sound.pushToTalk;
  }
}

function fill(/** @type {HTMLSelectElement} */ select, /** @type {{id: string, label: string}[]} */ devices, /** @type {string} */ chosen) {
  const all = devices.some((one) => one.id === "default") ? devices : [{ id: "", label: t("The system's default") }, ...devices];
  const wanted = JSON.stringify(all);
  if (select.dataset.options !== wanted) {
    select.dataset.options = wanted;
    select.replaceChildren(...all.map(({ id, label }) => h("option", { value: id, text: label })));
  }
  select.value = all.some((one) => one.id === chosen) ? chosen : all[0].id;
}
