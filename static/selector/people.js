/** Participants of the room, and which of them answers. Pure. */
import { t } from "./texts/text.js";
import { ATTRIBUTE as A, LIVEKIT } from "./contracts.js";

/**
 * @typedef {{identity: string, agent: boolean, name: string, attributes: Record<string, string>, audio: boolean}} Person
 * @typedef {{identity: string, state: string, episode: number, agentId: string, name: string, ready: boolean, memory: string,
 *   build: string, pid: string, startedAt: string, activity: string, trouble: {code: string, message: string} | null, wrong: boolean, audio: boolean}} Assistant
 */

/** @param {Person} person @param {string | undefined} wanted @returns {Assistant} */
export function assistantOf({ identity, attributes, audio }, wanted) {
  const agentId = attributes[A.AGENT_ID] ?? "";
  const wrong = Boolean(agentId && wanted && agentId !== wanted);
  return {
    identity,
    audio,
    agentId,
    wrong,
    state: (attributes[A.STATE] ?? "starting").toLowerCase(),
    episode: Number(attributes[A.EPISODE] ?? 0),
    name: attributes[A.AGENT_NAME] ?? "",
    ready: attributes[A.READY] === "1" && !wrong,
    memory: attributes[A.MEMORY] ?? "loading",
    build: attributes[A.BUILD] ?? "",
    pid: attributes[A.PID] ?? "",
    startedAt: attributes[A.STARTED_AT] ?? "",
    activity: attributes[LIVEKIT.ACTIVITY] ?? "",
    trouble: parseTrouble(attributes[A.ERROR]),
  };
}

/**
 * Participants seen in the room. A late message is still attributed to a participant who has left; one from an unknown
 * identity is ignored.
 */
export class Senders {
  #known = new Map();

  /** @param {Person[]} people */
  saw(people) {
    for (const person of people) this.#known.set(person.identity, person);
  }

  /** @param {string} identity */
  nameOf(identity) {
    return this.#known.get(identity)?.name;
  }

  /** "assistant" only for an agent of ours: LiveKit vouches for a participant's kind. @param {string} identity @returns {"assistant" | "other" | null} */
  kindOf(identity) {
    const person = this.#known.get(identity);
    if (!person) return null;
    if (!person.agent) return "other";
    return person.attributes[A.AGENT_ID] ? "assistant" : null;
  }
}

/** "<code>: <sentence>", "<code>", or nothing. @param {string | undefined} text */
function parseTrouble(text) {
  if (!text) return null;
  const [, code, message] = /^([a-z_]+)(?::\s*(.+))?$/s.exec(text) ?? [null, "internal", text];
  return { code, message: message ?? t("The assistant reports a fault ({code}).", { code: code.replaceAll("_", " ") }) };
}

/**
 * The answering assistant: a ready one first, then the one with the younger lease. More than one is a fault to show.
 * @param {Person[]} people @param {string} me @param {string | undefined} wanted the agent that was asked for
 */
export function answering(people, me, wanted) {
  const agents = people.filter((person) => person.agent);
  const epoch = (/** @type {Person} */ person) => Number(person.attributes[A.LEASE_EPOCH] ?? 0);
  const ready = (/** @type {Person} */ person) => Number(person.attributes[A.READY] === "1");
  const best = [...agents].sort((a, b) => ready(b) - ready(a) || epoch(b) - epoch(a))[0];
  return {
    assistant: best ? assistantOf(best, wanted) : null,
    assistants: agents.filter((person) => person.attributes[A.READY] === "1").length,
    others: people.filter((person) => !person.agent && person.identity !== me).length,
  };
}
