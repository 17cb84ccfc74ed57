/** Microphone, loudspeaker and levels of the current stay. */
import { t } from "./texts/text.js";
import { Meter } from "./meter.js";
import { preferences } from "./storage.js";

/** The browser's error name → the page's code. */
const MICROPHONE_TROUBLE = {
  NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "missing", DevicesNotFoundError: "missing",
  NotReadableError: "busy", AbortError: "busy", TrackInvalidError: "busy", OverconstrainedError: "missing",
};

export class Sound {
  #stay = /** @type {import("./room.js").Stay | null} */ (null);
  #meter;

  /** @param {{state: any, dispatch(event: any): void}} store @param {(mine: number, theirs: number) => void} onLevels */
  constructor(store, onLevels) {
    this.store = store;
    this.#meter = new Meter({
      levels: onLevels,
      heard: () => !store.state.sound.heard && this.#set({ heard: true }),
      turn: (ms) => store.dispatch({ type: "turn", turn: { ms, at: Date.now() } }),
    });
    const { micId, speakerId, volume, pushToTalk } = preferences.read();
    this.#set({ micId, speakerId, volume, pushToTalk });
  }

  get #now() {
    return this.store.state.sound;
  }

  #set(/** @type {object} */ change) {
    this.store.dispatch({ type: "sound", ...change });
  }

  /** @param {import("./room.js").Stay} stay */
  async enter(stay) {
    this.#stay = stay;
    this.#set({ muted: this.#now.pushToTalk, talking: false, heard: false, micTrouble: null });
    await this.startMicrophone();
    await this.listDevices();
  }

  async leave() {
    this.#stay = null;
    this.#set({ talking: false, heard: false, micTrouble: null, blocked: false });
    await this.#meter.close();
  }

  /** Publishes the microphone, or stores a code of why not. */
  async startMicrophone() {
    const stay = this.#stay;
    if (!stay) return;
    if (!navigator.mediaDevices?.getUserMedia) return this.#set({ micTrouble: "insecure" });
    try {
      const track = await stay.microphone(true, this.#now.micId);
      if (stay !== this.#stay) return;
      this.#meter.microphone(track);
      this.#set({ micTrouble: null });
      if (this.#now.muted) await stay.microphone(false, this.#now.micId);
    } catch (error) {
      if (stay !== this.#stay) return;
      console.warn("The microphone did not start:", error);
      this.#set({ micTrouble: MICROPHONE_TROUBLE[/** @type {Error} */ (error).name] ?? "busy" });
    }
  }

  /** The device was unplugged during the call: the default one replaces it, or the page says that there is none. */
  async microphoneEnded() {
    if (!this.#stay || this.#now.muted) return;
    this.#meter.microphone(null);
    await this.startMicrophone();
  }

  async mute(/** @type {boolean} */ muted) {
    if (!this.#stay) return;
    this.#set({ muted });
    if (this.#now.micTrouble) return;
    const track = await this.#stay.microphone(!muted, this.#now.micId);
    this.#meter.microphone(muted ? null : track);
  }

  async pushToTalk(/** @type {boolean} */ on) {
    preferences.change({ pushToTalk: on });
    this.#set({ pushToTalk: on, talking: false });
    await this.mute(on);
  }

  /** The push-to-talk key or button went down or up. */
  async talk(/** @type {boolean} */ talking) {
    if (!this.#now.pushToTalk || this.#now.talking === talking) return;
    this.#set({ talking });
    await this.mute(!talking);
  }

  voice(/** @type {MediaStreamTrack | null} */ track) {
    if (this.#stay) this.#meter.voice(track);
  }

  typed() {
    this.#meter.typed();
  }

  blocked(/** @type {boolean} */ blocked) {
    this.#set({ blocked });
  }

  async unblock() {
    await Promise.all([this.#stay?.unblock(), this.#meter.wake()]);
  }

  async useMicrophone(/** @type {string} */ micId) {
    preferences.change({ micId });
    this.#set({ micId, heard: false });
    if (this.#now.micTrouble || !this.#stay) return this.startMicrophone();
    const track = await this.#stay.device("audioinput", micId);
    this.#meter.microphone(this.#now.muted ? null : track);
  }

  async useSpeaker(/** @type {string} */ speakerId) {
    preferences.change({ speakerId });
    this.#set({ speakerId });
    await this.#stay?.device("audiooutput", speakerId);
  }

  volume(/** @type {number} */ volume) {
    preferences.change({ volume });
    this.#set({ volume });
    this.#stay?.volume(volume);
  }

  async listDevices() {
    const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    const named = (/** @type {string} */ kind) =>
      devices.filter((one) => one.kind === kind && one.deviceId).map(({ deviceId, label }) => ({ id: deviceId, label: label || t("Unnamed device") }));
    this.#set({ microphones: named("audioinput"), speakers: named("audiooutput") });
  }
}
