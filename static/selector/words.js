/** Texts for states and log events, in plain words. Pure. */
import { t } from "./texts/text.js";

const PHASE_WORDS = {
  requesting: t("Connecting"),
  joining: t("Connecting"),
  shaky: t("Poor connection"),
  returning: t("Reconnecting"),
  leaving: t("Saying goodbye"),
  left: t("Call ended"),
  stopped: t("Not connected"),
  displaced: t("Open in another tab"),
};

/** Outcome of the assistant's reset after we left. */
const RESET_WORDS = {
  pending: t("Just a moment"),
  unknown: t("The server was not told"),
};

const LIFECYCLE_WORDS = {
  starting: t("The assistant is starting"),
  loading_memory: t("Reading its memory"),
  resetting: t("Just a moment"),
  draining: t("The assistant is leaving"),
  closed: t("The assistant has left"),
  failed: t("The assistant has failed"),
};

const ACTIVITY_WORDS = { initializing: t("Getting ready"), listening: t("Listening"), thinking: t("Thinking"), speaking: t("Speaking") };

/** @param {any} state @returns {{mood: string, text: string}} what the user sees first; mood sets its colour */
export function headline({ call, people, sound }) {
  if (call.phase !== "live") {
    const mood = { stopped: "off", left: "off", displaced: "off", idle: "off" }[call.phase] ?? "busy";
    return { mood, text: [PHASE_WORDS[call.phase], RESET_WORDS[call.phase === "left" ? call.reset : ""]].filter(Boolean).join(". ") };
  }
  const { assistant } = people;
  if (!assistant) return { mood: "busy", text: t("Waiting for the assistant") };
  const lifecycle = LIFECYCLE_WORDS[assistant.state];
  if (lifecycle) return { mood: assistant.state === "failed" ? "bad" : "busy", text: lifecycle };
  if (!assistant.ready) return { mood: "busy", text: t("Getting ready") };
  const listening = (assistant.activity || "listening") === "listening";
  if (listening && sound?.muted) return { mood: "off", text: t("You are muted") };
  return { mood: assistant.activity || "listening", text: ACTIVITY_WORDS[assistant.activity] ?? t("Listening") };
}

/** Text for a screen reader: changes of the call, not every turn, since the assistant is heard. @param {any} state */
export function announcement(state) {
  const { assistant } = state.people;
  if (state.call.phase === "idle") return "";
  return state.call.phase === "live" && assistant?.ready ? t("Connected. The assistant is here.") : headline(state).text;
}

/** @param {string} memory the attribute va.memory @param {number} now */
export function memoryWords(memory, now) {
  if (memory === "fresh") return t("read");
  if (memory.startsWith("stale")) {
    const since = Date.parse(memory.slice("stale:".length));
    return Number.isNaN(since) ? t("not up to date") : t("from {when}, not up to date", { when: ago(since, now) });
  }
  return memory === "absent" ? t("not reachable") : t("being read");
}

/** @param {number} then @param {number} now */
export function ago(then, now) {
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  if (seconds < 60) return t("just now");
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return t("{n} min ago", { n: minutes });
  const hours = Math.round(minutes / 60);
  return hours < 48 ? t("{n} h ago", { n: hours }) : t("{n} days ago", { n: Math.round(hours / 24) });
}

const TRANSITION_WORDS = {
  starting: t("The assistant started"), loading_memory: t("The assistant reads its memory"), ready: t("The assistant is ready"),
  engaged: t("The assistant is with you"), resetting: t("The assistant resets itself"), draining: t("The assistant is leaving"),
  closed: t("The assistant has left"), failed: t("The assistant has failed"),
};

/** Log event → text, from the event's fields. Other events are not shown. */
const LOG_WORDS = {
  "lifecycle.transition": (/** @type {any} */ f) => (f.from === f.to ? null : TRANSITION_WORDS[f.to] ?? `The assistant is ${f.to}`),
  "human.joined": () => t("A person joined"),
  "human.left": () => t("A person left"),
  "reset.done": (/** @type {any} */ f) => t("Reset finished in {ms} ms", { ms: Math.round((f.seconds ?? 0) * 1000) }),
  "memory.loaded": (/** @type {any} */ f) => (f.fresh === false ? t("Using an earlier copy of the memory") : t("Memory read")),
  "memory.failed": (/** @type {any} */ f) => (f.what === "facts" ? t("Not remembered yet") : t("Memory could not be read")),
  "greeting.spoken": () => t("Greeting spoken"),
  "turn.finished": () => t("Answer finished"),
  "turn.stored": () => t("Saved"),
  "dispatch.requested": () => t("Requested an assistant"),
  "dispatch.failed": () => t("Could not request an assistant"),
  "room.opened": () => t("Room opened"),
  "room.closed": () => t("Room closed"),
  "room.seat_given": () => t("Freed a place: an assistant left an empty room"),
  "room.ghost_removed": () => t("Removed a surplus assistant"),
  "room.caller_removed": () => t("Removed a person whose session has ended"),
  "lease.lost": () => t("Assistant released the room"),
  "job.started": () => t("Assistant process started"),
  "job.ended": () => t("Assistant process ended"),
  notice: (/** @type {any} */ f) => t("Notice: {code}", { code: String(f.code ?? "").replaceAll("_", " ") }),
};

/** @param {{event: string, fields?: object}} line @returns {string | null} */
export function logWords(line) {
  return LOG_WORDS[line.event]?.(line.fields ?? {}) ?? null;
}

/** @param {string} id shortened, to tell equal names apart */
export function shortId(id) {
  return id.replace(/^[a-z]+[-_]/, "").slice(0, 8);
}
