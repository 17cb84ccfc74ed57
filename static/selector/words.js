/** Texts for states and log events, in plain words. Pure. */

const PHASE_WORDS = {
  requesting: "Asking for the assistant",
  joining: "Joining the room",
  shaky: "Connection interrupted",
  returning: "Coming back",
  leaving: "Saying goodbye",
  left: "You left",
  stopped: "Not connected",
  displaced: "Open in another tab",
};

/** Outcome of the assistant's reset after we left. */
const RESET_WORDS = {
  done: "It waits for you",
  pending: "It is still tidying up",
  unknown: "The server was not told",
};

const LIFECYCLE_WORDS = {
  starting: "The assistant is starting",
  loading_memory: "Reading its memory",
  resetting: "Getting ready again",
  draining: "The assistant is leaving",
  closed: "The assistant has left",
  failed: "The assistant has failed",
};

const ACTIVITY_WORDS = { initializing: "Getting ready", listening: "Listening", thinking: "Thinking", speaking: "Speaking" };

/** @param {any} state @returns {{mood: string, text: string}} what the user sees first; mood sets its colour */
export function headline({ call, people }) {
  if (call.phase !== "live") {
    const mood = { stopped: "off", left: "off", displaced: "off", idle: "off" }[call.phase] ?? "busy";
    return { mood, text: [PHASE_WORDS[call.phase], RESET_WORDS[call.phase === "left" ? call.reset : ""]].filter(Boolean).join(". ") };
  }
  const { assistant } = people;
  if (!assistant) return { mood: "busy", text: "Waiting for the assistant" };
  const lifecycle = LIFECYCLE_WORDS[assistant.state];
  if (lifecycle) return { mood: assistant.state === "failed" ? "bad" : "busy", text: lifecycle };
  if (!assistant.ready) return { mood: "busy", text: "Getting ready" };
  return { mood: assistant.activity || "listening", text: ACTIVITY_WORDS[assistant.activity] ?? "Listening" };
}

/** Text for a screen reader: changes of the call, not every turn, since the assistant is heard. @param {any} state */
export function announcement(state) {
  const { assistant } = state.people;
  if (state.call.phase === "idle") return "";
  return state.call.phase === "live" && assistant?.ready ? "Connected. The assistant is here." : headline(state).text;
}

/** @param {string} memory the attribute va.memory @param {number} now */
export function memoryWords(memory, now) {
  if (memory === "fresh") return "read";
  if (memory.startsWith("stale")) {
    const since = Date.parse(memory.slice("stale:".length));
    return Number.isNaN(since) ? "not up to date" : `from ${ago(since, now)}, not up to date`;
  }
  return memory === "absent" ? "not reachable" : "being read";
}

/** @param {number} then @param {number} now */
export function ago(then, now) {
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  if (seconds < 60) return "just now";
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h ago` : `${Math.round(hours / 24)} days ago`;
}

const TRANSITION_WORDS = {
  starting: "started", loading_memory: "reads its memory", ready: "is ready", engaged: "is with you", resetting: "resets itself",
  draining: "is leaving", closed: "has left", failed: "has failed",
};

/** Log event → text, from the event's fields. Other events are not shown. */
const LOG_WORDS = {
  "lifecycle.transition": (/** @type {any} */ f) => (f.from === f.to ? null : `The assistant ${TRANSITION_WORDS[f.to] ?? `is ${f.to}`}`),
  "human.joined": () => "A person joined",
  "human.left": () => "A person left",
  "reset.done": (/** @type {any} */ f) => `Reset finished in ${Math.round((f.seconds ?? 0) * 1000)} ms`,
  "memory.loaded": (/** @type {any} */ f) => (f.fresh === false ? "Using an earlier copy of the memory" : "Memory read"),
  "memory.failed": (/** @type {any} */ f) => (f.what === "facts" ? "Not remembered yet" : "Memory could not be read"),
  "greeting.spoken": () => "Greeting spoken",
  "turn.finished": () => "Answer finished",
  "turn.stored": () => "Saved",
  "dispatch.requested": () => "Requested an assistant",
  "dispatch.failed": () => "Could not request an assistant",
  "room.opened": () => "Room opened",
  "room.closed": () => "Room closed",
  "room.seat_given": () => "Freed a place: an assistant left an empty room",
  "room.ghost_removed": () => "Removed a surplus assistant",
  "room.caller_removed": () => "Removed a person whose session has ended",
  "lease.lost": () => "Assistant released the room",
  "job.started": () => "Assistant process started",
  "job.ended": () => "Assistant process ended",
  notice: (/** @type {any} */ f) => `Notice: ${String(f.code ?? "").replaceAll("_", " ")}`,
};

/** @param {{event: string, fields?: object}} line @returns {string | null} */
export function logWords(line) {
  return LOG_WORDS[line.event]?.(line.fields ?? {}) ?? null;
}

/** @param {string} id shortened, to tell equal names apart */
export function shortId(id) {
  return id.replace(/^[a-z]+[-_]/, "").slice(0, 8);
}
