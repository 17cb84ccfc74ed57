/** Memory of the person, and the facts an answer drew on. Pure. */
import { t } from "./texts/text.js";

/**
 * @typedef {{fact_id: string, text: string, said_at: string, agent_id?: string, session_id?: string, source?: string}} Fact
 * @typedef {{facts: Fact[], pending: number, parked: number, archive_pending: number}} Memory
 * @typedef {{turn_id: string, facts: Fact[], untold: boolean, at: number}} Recall
 * @typedef {import("./captions.js").Line & {drew?: string[]}} Line
 */

const MOST_SHOWN = 5;

/** @param {unknown} value @returns {Recall | null} a valid note; null for anything else */
export function recallOf(value) {
  const note = /** @type {any} */ (value);
  if (typeof note?.turn_id !== "string" || !Array.isArray(note.facts)) return null;
  const facts = note.facts.filter((/** @type {any} */ fact) => typeof fact?.text === "string" && fact.text.trim());
  return { turn_id: note.turn_id, facts: facts.slice(0, MOST_SHOWN), untold: note.untold === true, at: 0 };
}

/** A note may arrive this long after the beginning of its answer. */
const OVERTAKEN_MS = 1_000;
/** After this an answer is no longer expected. */
const WAITS_MS = 30_000;

/**
 * A note belongs to the assistant's next line, or to one that has just begun.
 * @param {Line[]} lines @param {Recall} recall @returns {{lines: Line[], waiting: Recall | null}}
 */
export function withRecall(lines, recall) {
  const index = lines.findLastIndex((line) => line.who === "assistant" && !line.final && line.at >= recall.at - OVERTAKEN_MS);
  if (index < 0) return { lines, waiting: recall };
  return { lines: marked(lines, index, recall), waiting: null };
}

/** Attaches a waiting note to the assistant's line that has just begun. @param {Line[]} before @param {Line[]} lines @param {Recall | null} waiting */
export function takeRecall(before, lines, waiting) {
  const last = lines.at(-1);
  if (!waiting || last?.who !== "assistant" || before.some((line) => line.id === last.id)) return { lines, waiting };
  return last.at > waiting.at + WAITS_MS ? { lines, waiting: null } : { lines: marked(lines, lines.length - 1, waiting), waiting: null };
}

/** @param {Line[]} lines @param {number} index @param {Recall} recall @returns {Line[]} */
function marked(lines, index, { facts }) {
  return lines.with(index, { ...lines[index], drew: facts.map(({ text }) => text) });
}

/** @param {Line} line */
export function drewWords(line) {
  return line.drew?.length ? t("Drew on: {facts}", { facts: line.drew.join(" · ") }) : "";
}

/** Whether all turns were learned from; never claims more than is true. @param {Memory | null} memory @param {{message: string} | null} [trouble] why it is not known */
export function standingWords(memory, trouble = null) {
  if (trouble) return trouble.message;
  if (!memory) return "";
  const open = memory.pending + memory.parked;
  return open > 0 ? t("Not remembered yet ({n})", { n: open }) : t("Remembered");
}

/** When and to whom it was told. @param {Fact} fact @param {string} assistant @param {Intl.DateTimeFormat} format */
export function toldWords(fact, assistant, format) {
  const time = Date.parse(fact.said_at);
  const date = time > 0 ? format.format(time) : ""; // a fact from a memory block is not dated: it has the time 0
  if (fact.source === "letta") return date ? t("Written into the memory, {date}", { date }) : t("Written into the memory");
  if (!date) return "";
  if (!assistant) return date;
  return fact.session_id ? t("{date}, in a conversation with {name}", { date, name: assistant }) : t("{date}, told to {name}", { date, name: assistant });
}
