/** One stay in a LiveKit room. The only module that uses livekit-client; it reports in the page's own terms. */
import {
  AudioPresets, DisconnectReason, ParticipantKind, Room, RoomEvent, Track, setLogLevel,
} from "/vendor/livekit-client.esm.mjs";
import { LIVEKIT, TOPIC } from "./contracts.js";
import { recallOf } from "./memory.js";
import { Senders } from "./people.js";
import { LIVEKIT_RETRIES_MS } from "./policy.js";

setLogLevel("warn");

/**
 * @typedef {{people(people: import("./people.js").Person[], me: string): void, problem(problem: object | null): void,
 *   caption(piece: object): void, notice(notice: object): void, recall(note: {recall: object, identity: string}): void, disconnected(reason: string): void, shaky(): void, steady(): void,
 *   blocked(blocked: boolean): void, voice(track: MediaStreamTrack | null): void, devices(): void, microphoneEnded(): void}} Listener
 */

const reconnectPolicy = {
  nextRetryDelayInMs: (/** @type {{retryCount: number}} */ { retryCount }) => LIVEKIT_RETRIES_MS[retryCount] ?? null,
};

export class Stay {
  #room;
  #listener;
  #volume = 1;
  #senders = new Senders();

  /** @param {Listener} listener @param {HTMLElement} speakers where audio elements live @param {{speakerId: string, volume: number}} sound */
  constructor(listener, speakers, sound) {
    this.#listener = listener;
    this.#volume = sound.volume;
    this.speakers = speakers;
    this.#room = new Room({
      reconnectPolicy,
      audioCaptureDefaults: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      publishDefaults: { audioPreset: AudioPresets.speech, dtx: true, red: true },
      audioOutput: sound.speakerId ? { deviceId: sound.speakerId } : undefined,
    });
    this.#listen();
  }

  /** @param {string} url @param {string} token */
  async connect(url, token) {
    await this.#room.connect(url, token, { maxRetries: 1 });
    // Participants who were in the room before us fire no event.
    this.#look();
    this.#mark(this.#room.metadata);
  }

  async disconnect() {
    await this.#room.disconnect();
  }

  /** @param {boolean} on @param {string} deviceId @returns {Promise<MediaStreamTrack | null>} */
  async microphone(on, deviceId) {
    const options = deviceId ? { deviceId: { ideal: deviceId } } : undefined;
    const publication = await this.#room.localParticipant.setMicrophoneEnabled(on, options);
    return publication?.track?.mediaStreamTrack ?? null;
  }

  /** @param {"audioinput" | "audiooutput"} kind @param {string} deviceId */
  async device(kind, deviceId) {
    await this.#room.switchActiveDevice(kind, deviceId || "default", false);
    return this.#room.localParticipant.getTrackPublication(Track.Source.Microphone)?.track?.mediaStreamTrack ?? null;
  }

  /** @param {string} text */
  async say(text) {
    const { id } = await this.#room.localParticipant.sendText(text, { topic: TOPIC.CHAT });
    return id;
  }

  async unblock() {
    await this.#room.startAudio();
  }

  /** @param {number} volume 0…1 */
  volume(volume) {
    this.#volume = volume;
    for (const element of this.speakers.querySelectorAll("audio")) element.volume = volume;
  }

  #listen() {
    const room = this.#room;
    const look = () => this.#look();
    for (const event of [
      RoomEvent.ParticipantConnected, RoomEvent.ParticipantDisconnected, RoomEvent.ParticipantAttributesChanged,
      RoomEvent.ParticipantActive, RoomEvent.TrackUnpublished,
    ]) room.on(event, look);
    room
      .on(RoomEvent.Reconnecting, () => this.#listener.shaky())
      .on(RoomEvent.Reconnected, () => {
        this.#look();
        this.#mark(room.metadata);
        this.#listener.steady();
      })
      .on(RoomEvent.Disconnected, (reason) => this.#listener.disconnected(DisconnectReason[reason ?? 0] ?? "UNKNOWN_REASON"))
      .on(RoomEvent.RoomMetadataChanged, (metadata) => this.#mark(metadata))
      .on(RoomEvent.TrackSubscribed, (track, _, participant) => this.#play(track, participant))
      .on(RoomEvent.TrackUnsubscribed, (track) => this.#stop(track))
      .on(RoomEvent.AudioPlaybackStatusChanged, () => this.#listener.blocked(!room.canPlaybackAudio))
      .on(RoomEvent.MediaDevicesChanged, () => this.#listener.devices())
      .on(RoomEvent.LocalTrackUnpublished, (publication) => {
        if (publication.source === Track.Source.Microphone) this.#listener.microphoneEnded();
      });
    room.registerTextStreamHandler(TOPIC.TRANSCRIPTION, (reader, from) => void this.#caption(reader, from.identity));
    room.registerTextStreamHandler(TOPIC.NOTICE, (reader, from) => void this.#notice(reader, from.identity));
    room.registerTextStreamHandler(TOPIC.RECALL, (reader, from) => void this.#recall(reader, from.identity));
  }

  #look() {
    this.#listener.people(this.#people(), this.#room.localParticipant.identity);
  }

  #people() {
    const people = [...this.#room.remoteParticipants.values()].map((one) => ({
      identity: one.identity,
      agent: one.kind === ParticipantKind.AGENT,
      name: one.name ?? "",
      attributes: { ...one.attributes },
      audio: one.audioTrackPublications.size > 0,
    }));
    this.#senders.saw(people);
    return people;
  }

  /** @param {string} identity */
  #kindOf(identity) {
    this.#people();
    return identity === this.#room.localParticipant.identity ? "me" : this.#senders.kindOf(identity);
  }

  /** Reads from the room's metadata why no assistant answers, if the server knows. */
  #mark(/** @type {string | undefined} */ metadata) {
    let problem = null;
    try {
      problem = JSON.parse(metadata || "{}").problem ?? null;
    } catch (error) {
      console.warn("The room's metadata is not readable:", error);
    }
    this.#listener.problem(problem);
  }

  #play(/** @type {any} */ track, /** @type {any} */ participant) {
    if (track.kind !== Track.Kind.Audio) return;
    const element = track.attach();
    element.volume = this.#volume;
    element.dataset.testid = "voice";
    element.dataset.identity = participant.identity;
    this.speakers.append(element);
    if (participant.kind === ParticipantKind.AGENT) this.#listener.voice(track.mediaStreamTrack);
    this.#look();
  }

  #stop(/** @type {any} */ track) {
    for (const element of track.detach()) element.remove();
    this.#listener.voice(null);
    this.#look();
  }

  async #caption(/** @type {any} */ reader, /** @type {string} */ identity) {
    const attributes = reader.info.attributes ?? {};
    const id = attributes[LIVEKIT.SEGMENT] ?? reader.info.id;
    const who = this.#kindOf(identity);
    if (!who) return;
    const piece = { id, who, name: this.#senders.nameOf(identity) };
    try {
      if (who !== "assistant") {
        // A human's transcript arrives whole each time, until it is final.
        const text = await reader.readAll();
        this.#listener.caption({ ...piece, text, final: attributes[LIVEKIT.FINAL] === "true" });
        return;
      }
      for await (const append of reader) this.#listener.caption({ ...piece, append, final: false });
    } catch (error) {
      console.warn("A caption ended early:", error);
    }
    this.#listener.caption({ ...piece, final: true });
  }

  /** Accepts notes from an assistant only: another participant must not add facts to its answer. */
  async #recall(/** @type {any} */ reader, /** @type {string} */ identity) {
    try {
      const recall = recallOf(JSON.parse(await reader.readAll()));
      if (recall && this.#kindOf(identity) === "assistant") this.#listener.recall({ recall, identity });
    } catch (error) {
      console.warn("A note on memory could not be read:", error);
    }
  }

  async #notice(/** @type {any} */ reader, /** @type {string} */ identity) {
    try {
      const notice = JSON.parse(await reader.readAll());
      if (this.#kindOf(identity) === "assistant") this.#listener.notice(notice);
    } catch (error) {
      console.warn("A notice could not be read:", error);
    }
  }
}
