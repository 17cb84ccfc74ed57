/** Past conversations: state, and what is shown of it. Pure. */
import { t } from "./texts/text.js";

/**
 * @typedef {{id: string, name: string}} Agent
 * @typedef {{session_id: string, agent: Agent | null, began_at: string, last_at: string, turns: number, seconds: number,
 *   first_words: string, found: string, resumable: boolean}} Item
 * @typedef {{turn_id: string, role: string, speaker: string, text: string, interrupted: boolean, said_at: string}} Message
 * @typedef {{conversation: Item, messages: Message[]}} Read
 */

export const NO_PAST = Object.freeze({
  status: /** @type {"new" | "loading" | "ready" | "failed"} */ ("new"),
  items: /** @type {Item[]} */ ([]),
  next: /** @type {number | null} */ (null),
  query: "",
  trouble: null,
  /** The conversation that is shown. */
  read: /** @type {Read | null} */ (null),
  /** The conversation that was open when this page was closed. */
  open: /** @type {Read | null} */ (null),
});

/** @type {Record<string, (past: any, event: any) => any>} */
const CHANGES = {
  "past.loading": (past, { query }) => ({ ...past, status: "loading", query, trouble: null, next: null }),
  "past.loaded": (past, { conversations, next, more }) =>
    ({ ...past, status: "ready", items: more ? [...past.items, ...conversations] : conversations, next, trouble: null }),
  "past.failed": (past, { trouble }) => ({ ...past, status: "failed", trouble }),
  "past.forgotten": () => NO_PAST,
  "past.read": (past, { read }) => ({ ...past, read, trouble: null }),
  "past.open": (past, { open }) => ({ ...past, open }),
  "past.deleted": (past, { id }) => ({
    ...past,
    items: past.items.filter((/** @type {Item} */ one) => one.session_id !== id),
    read: null,
    open: past.open?.conversation.session_id === id ? null : past.open,
  }),
};

/** Handlers of the page's reducer. @type {Record<string, (state: any, event: any) => any>} */
export const PAST_HANDLERS = {
  place: (state, { place }) => ({ ...state, place, past: { ...state.past, read: null, trouble: null } }),
  ...Object.fromEntries(Object.entries(CHANGES).map(([type, change]) =>
    [type, (/** @type {any} */ state, /** @type {any} */ event) => ({ ...state, past: change(state.past, event) })])),
};

/** @param {Item[]} items @param {number} now @param {string} [language] @returns {{day: string, items: Item[]}[]} by the reader's days */
export function byDay(items, now, language) {
  const days = /** @type {{day: string, items: Item[]}[]} */ ([]);
  for (const item of items) {
    const day = dayWords(Date.parse(item.last_at), now, language);
    if (days.at(-1)?.day === day) days.at(-1)?.items.push(item);
    else days.push({ day, items: [item] });
  }
  return days;
}

/** @param {number} time @param {number} now @param {string} [language] */
export function dayWords(time, now, language) {
  const date = new Date(time);
  const days = Math.round((midnight(now) - midnight(time)) / 86_400_000);
  if (days <= 0) return t("Today");
  if (days === 1) return t("Yesterday");
  const year = date.getFullYear() === new Date(now).getFullYear() ? undefined : "numeric";
  return new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long", year }).format(date);
}

const midnight = (/** @type {number} */ time) => new Date(time).setHours(0, 0, 0, 0);

/** @param {Item} item */
export function lengthWords({ turns, seconds }) {
  const count = turns === 1 ? t("1 question") : t("{n} questions", { n: turns });
  return seconds < 60 ? count : `${count} · ${t("{n} min", { n: Math.round(seconds / 60) })}`;
}

/** Messages as captions, so that a conversation that goes on shows what was said before. @param {Message[]} messages */
export function asLines(messages) {
  return messages.map(({ turn_id, role, text, interrupted, said_at }) => ({
    id: `past ${turn_id}`, who: role === "user" ? "me" : "assistant", text, interrupted, final: true, at: Date.parse(said_at) || 0,
  }));
}

/** What the person said last. @param {Message[]} messages */
export function lastWords(messages) {
  return messages.findLast(({ role }) => role === "user")?.text ?? "";
}
