/** Present problems with their remedies. Pure: derived from the state, so a problem disappears with its cause. */
import { assistantNamed } from "./places.js";
import { t } from "./texts/text.js";

/**
 * @typedef {{code: string, level: "info" | "warning" | "error", message: string, remedy: string, action?: string, closable?: boolean}} Problem
 */

const WAIT_PATIENCE_MS = 8_000;
const HEAR_PATIENCE_MS = 20_000;
const BACK_SHOWN_MS = 8_000;

const MICROPHONE = {
  denied: [t("The browser may not use your microphone."), t("Allow the microphone for this page (the icon beside the address), then try again. You can type meanwhile.")],
  missing: [t("No microphone was found."), t("Plug one in and try again. You can type meanwhile.")],
  busy: [t("The microphone does not start."), t("Another program may be using it: close that, then try again. You can type meanwhile.")],
  insecure: [t("Browsers give the microphone only to secure pages."), t("Open this page by https:// or on localhost. You can type meanwhile.")],
};

/** Remedies for codes that reach the page without one. */
const REMEDY = {
  llm_failed: t("Say it again in a moment. If it stays so, the language model is away."),
  stt_failed: t("Type instead, or say it again in a moment."),
  tts_failed: t("Read the captions meanwhile. The voice provider refuses or is away."),
  turn_failed: t("Silence alone ends a turn meanwhile."),
  embedding_failed: t("It searches memory by words meanwhile and tries again by itself."),
  letta_unavailable: t("It goes on with what it knew and tries again by itself."),
  memory_empty: t("Check this agent's memory blocks in Letta."),
  memory_torn: t("It tries again by itself."),
  no_worker: t("It is tried again by itself. Whoever runs this: start a worker (voice-agent worker)."),
  worker_full: t("It is tried again by itself as soon as a place is free."),
  agent_fails: t("Choose another agent, or look into the log."),
  server_gone: t("Check that the server runs. The page keeps trying."),
  livekit_unavailable: t("Check that LiveKit runs, then try again."),
  offline: t("It goes on by itself when the network is back."),
  internal: t("Try again. If it stays so, look into the log."),
};

/** @param {any} state @returns {Problem[]} the worst first */
export function problems(state) {
  const rank = { error: 0, warning: 1, info: 2 };
  const found = [...ofCall(state), ...ofAssistant(state), ...ofSound(state), ...ofList(state), ...ofNotices(state)];
  const seen = new Set();
  return found
    .filter(({ code }) => !seen.has(code) && seen.add(code))
    .sort((a, b) => rank[a.level] - rank[b.level]);
}

/** @param {Problem["level"]} level @param {string} code @param {string} message @param {string} [remedy] @param {object} [more] @returns {Problem} */
const problem = (level, code, message, remedy, more = {}) => ({ code, level, message, remedy: remedy || REMEDY[code] || "", ...more });

function* ofCall(/** @type {any} */ { call, online, now }) {
  const { phase, trouble, notice } = call;
  if (!online) yield problem("warning", "offline", t("You are offline."));
  if (phase === "stopped" && trouble) yield problem("error", trouble.code, trouble.message, trouble.remedy);
  if (phase === "displaced") {
    yield problem("info", "displaced", t("This conversation goes on in another tab."), t("It was taken over there. Take it back here if you like."));
  }
  if (phase === "returning" && online) {
    const seconds = call.nextTryAt ? Math.ceil((call.nextTryAt - now) / 1000) : 0;
    const when = seconds > 1 ? t("Next try in {s} s.", { s: seconds }) : t("Trying now.");
    yield problem("warning", "returning", trouble?.message ?? t("The connection was lost."), t("The page is coming back to the same conversation. {when}", { when }),
      seconds > 1 ? { action: "retry" } : {});
  }
  if (phase === "shaky" && online) yield problem("warning", "shaky", t("The connection is interrupted."), t("It is being restored."));
  if (phase === "live" && call.returns > 0 && call.connectedAt !== null && now - call.connectedAt < BACK_SHOWN_MS && !notice) {
    yield problem("info", "back", t("You are back."), t("The same conversation goes on."));
  }
  if (notice) yield problem("info", notice.code, notice.message, notice.remedy, { closable: true, action: "noted" });
  if (call.tookOver) yield problem("info", "took_over", t("This tab took the conversation over."), t("The other tab was told."), { closable: true, action: "noted" });
}

function* ofAssistant(/** @type {any} */ { call, people, now }) {
  if (call.phase !== "live") return;
  const { assistant } = people;
  if (call.roomProblem) yield problem("error", call.roomProblem.code, call.roomProblem.message, call.roomProblem.remedy);
  else if (!assistant?.ready && call.waitingSince !== null && now - call.waitingSince > WAIT_PATIENCE_MS) {
    const who = assistant ? t("The assistant is here but not ready yet.") : t("The assistant has not come yet.");
    yield problem("warning", "waiting", who, t("It was asked for and comes by itself. This takes longer than usual."));
  }
  if (!assistant) return;
  if (assistant.wrong) yield problem("error", "wrong_agent", t("Another assistant answers ({name}).", { name: assistant.name || assistant.agentId }), t("Leave and come back. If it stays so, look into the log."));
  if (assistant.trouble) yield problem("error", assistant.trouble.code, assistant.trouble.message);
  if (assistant.state === "failed" && !assistant.trouble) yield problem("error", "agent_fails", t("The assistant has failed."), t("A new one is sent by itself."));
  if (people.assistants > 1) yield problem("warning", "surplus", t("More than one assistant is in the room."), t("The surplus one leaves by itself."));
}

/** A user who types needs no warning that nothing is heard. */
const typed = (/** @type {{typed?: boolean}} */ line) => line.typed;

function* ofSound(/** @type {any} */ { call, sound, captions, now }) {
  if (call.phase !== "live") return;
  if (sound.blocked) yield problem("warning", "audio_blocked", t("The browser holds the sound back until you click."), "", { action: "unblock" });
  if (sound.micTrouble) {
    const [message, remedy] = MICROPHONE[sound.micTrouble] ?? MICROPHONE.busy;
    yield problem("error", `microphone_${sound.micTrouble}`, message, remedy, { action: "microphone" });
  } else if (!sound.heard && !sound.muted && !captions.some(typed) && call.connectedAt !== null && now - call.connectedAt > HEAR_PATIENCE_MS) {
    yield problem("warning", "unheard", t("We can't hear you."), t("Speak, or choose another microphone under Sound."), { action: "sound" });
  }
}

function* ofList(/** @type {any} */ { agents, call, place }) {
  if (call.phase !== "idle") return;
  if (place.name === "talk" && agents.status === "ready" && !assistantNamed(agents.items, place.agent)) {
    yield problem("warning", "no_such_assistant", t("There is no assistant with this address."), t("Choose one of those here."));
  }
  if (agents.trouble) yield problem("error", agents.trouble.code, agents.trouble.message, agents.trouble.remedy, { action: "reload" });
  for (const { code, message, remedy } of agents.providers) yield problem("warning", code, message, remedy, { action: "reload" });
  if (agents.letta) yield problem("warning", agents.letta.code, agents.letta.message, agents.letta.remedy, { action: "reload" });
}

function* ofNotices(/** @type {any} */ { notices }) {
  for (const { level, code, message, remedy } of notices) yield problem(level ?? "info", code, message, remedy, { closable: true, action: "notice" });
}
