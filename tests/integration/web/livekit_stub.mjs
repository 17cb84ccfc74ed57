/** Stub of livekit-client with what the page uses in a room; the test controls it through `window.room`. */
export const AudioPresets = { speech: {} };
export const DisconnectReason = [];
export const ParticipantKind = { STANDARD: 0, AGENT: 4 };
export const Track = { Source: { Microphone: "microphone" }, Kind: { Audio: "audio" } };
export const RoomEvent = new Proxy({}, { get: (_, name) => name });
export const setLogLevel = () => {};

export class Room {
  constructor() {
    this.handlers = {};
    this.listeners = {};
    this.metadata = "";
    this.canPlaybackAudio = true;
    this.remoteParticipants = new Map();
    this.localParticipant = {
      identity: "me", setMicrophoneEnabled: async () => null, getTrackPublication: () => null, sendText: async () => ({ id: "sent" }),
    };
    window.room = this;
  }
  on(event, listener) {
    (this.listeners[event] ??= []).push(listener);
    return this;
  }
  registerTextStreamHandler(topic, handler) {
    this.handlers[topic] = handler;
  }
  async connect() {}
  async disconnect() {}
  async startAudio() {}
  async switchActiveDevice() {}
  come(identity, kind, attributes) {
    this.remoteParticipants.set(identity, { identity, kind, name: identity, attributes, audioTrackPublications: new Map() });
    for (const listener of this.listeners.ParticipantConnected ?? []) listener();
  }
  go(identity) {
    this.remoteParticipants.delete(identity);
    for (const listener of this.listeners.ParticipantDisconnected ?? []) listener();
  }
  tell(topic, identity, text, id) {
    const reader = { info: { id, attributes: {} }, readAll: async () => text, async *[Symbol.asyncIterator]() { yield text; } };
    this.handlers[topic](reader, { identity });
  }
}
