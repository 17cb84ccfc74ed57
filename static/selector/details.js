/** Badge and details panel: which assistant answers, since when, freshness of its memory, answer times, log. */
import { t } from "./texts/text.js";
import { transcript } from "./captions.js";
import { byId, h, keyed, setText } from "./dom.js";
import { standingWords } from "./memory.js";
import { ago, headline, logWords, memoryWords, shortId } from "./words.js";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const seconds = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(1)} s`;

/** Fields of a `turn.timed` line (milliseconds), in the order of their stages. */
const PARTS = /** @type {[string[], string][]} */ ([
  [["turn_over_ms"], t("Until your turn was over")],
  [["stored_ms"], t("Memory")],
  [["first_clause_ms"], t("Words")],
  [["first_sound_ms"], t("Voice")],
]);

export class DetailsView {
  constructor(/** @type {any} */ _actions) {
    this.list = byId("answering");
    this.timeline = byId("timeline");
    byId("download").addEventListener("click", () => this.#download());
  }

  /** @param {any} state @param {any} before */
  render(state, before) {
    this.state = state;
    if (state.call !== before.call || state.people !== before.people) this.#badge(state);
    if (state.call.phase === "idle") return;
    this.#facts(state);
    if (state.turns !== before.turns) this.#turns(state.turns);
    if (state.timeline !== before.timeline) {
      this.#lines(state.timeline);
      this.#latency(state.timeline);
    }
    byId("download").disabled = state.captions.length === 0;
  }

  #badge(/** @type {any} */ state) {
    const badge = byId("badge");
    const { assistant } = state.people;
    badge.hidden = state.call.phase === "idle";
    badge.dataset.mood = headline(state).mood;
    badge.dataset.state = assistant?.state ?? "";
    badge.dataset.episode = assistant ? String(assistant.episode) : "";
    setText(badge, assistant ? `${assistant.state.replace("_", " ")} · episode ${assistant.episode}` : state.call.phase);
  }

  #facts(/** @type {any} */ { call, people, now, memory }) {
    const { assistant } = people;
    const started = Date.parse(assistant?.startedAt ?? "");
    const rows = [
      [t("Assistant"), "bound", assistant?.name || call.agent?.name || ""],
      [t("Id"), "agent-id", assistant?.agentId ? shortId(assistant.agentId) : "", assistant?.agentId],
      [t("State"), "state", assistant?.state.replace("_", " ") ?? (call.phase === "live" ? t("not here yet") : ""), assistant?.state],
      [t("Episode"), "episode", assistant ? String(assistant.episode) : ""],
      [t("Memory"), "memory", assistant ? memoryWords(assistant.memory, now) : "", assistant?.memory],
      [t("What you said"), "memory-standing", standingWords(memory.known, memory.trouble)],
      [t("Running since"), "since", Number.isNaN(started) ? "" : ago(started, now), assistant?.startedAt],
      [t("Build"), "build", [assistant?.build, assistant?.pid && `pid ${assistant.pid}`].filter(Boolean).join(" · ")],
      [t("Others here"), "others", people.others ? String(people.others) : ""],
    ].filter(([, , text]) => text);
    keyed(this.list, rows, ([label]) => label,
      ([label, test]) => h("div", {}, h("dt", { text: label }), h("dd", { testid: test })),
      (row, [, , text, value]) => {
        setText(row.children[1], text);
        const cell = /** @type {HTMLElement} */ (row.children[1]);
        cell.dataset.value = cell.title = value ?? text;
      });
  }

  #turns(/** @type {{ms: number}[]} */ turns) {
    const last = turns.at(-1);
    const sorted = turns.map(({ ms }) => ms).sort((a, b) => a - b);
    const middle = sorted[Math.floor(sorted.length / 2)];
    setText(byId("turns"), !last ? t("From your last word to its first sound.")
      : turns.length > 1 ? t("{seconds} for the last answer, {typical} typically", { seconds: seconds(last.ms), typical: seconds(middle) })
      : t("{seconds} for the last answer", { seconds: seconds(last.ms) }));
  }

  /** How the seconds of the last answer were spent. */
  #latency(/** @type {{lines: any[]}} */ { lines }) {
    const timed = lines.findLast((line) => line.event === "turn.timed")?.fields ?? {};
    const rows = PARTS.map(([part, words]) => ({ part, words, ms: part.reduce((sum, field) => sum + (timed[field] ?? 0), 0) })).filter(({ ms }) => ms > 0);
    const whole = rows.reduce((sum, { ms }) => sum + ms, 0);
    keyed(byId("latency-bar"), rows, ({ words }) => words, () => h("i", {}),
      (bar, { ms }) => /** @type {HTMLElement} */ (bar).style.setProperty("flex-grow", String(ms / whole)));
    keyed(byId("latency"), rows, ({ words }) => words,
      ({ words }) => h("div", {}, h("dt", { text: words }), h("dd")),
      (row, { ms }) => setText(row.children[1], seconds(ms)));
  }

  #lines(/** @type {{lines: any[], following: boolean}} */ { lines, following }) {
    const shown = lines.map((line) => ({ line, words: logWords(line) })).filter(({ words }) => words).reverse();
    this.timeline.classList.toggle("stopped", !following);
    keyed(this.timeline, shown, ({ line }) => `${line.pid}-${line.seq}-${line.time}`,
      ({ line, words }) => h("li", { "data-event": line.event, title: line.event },
        h("time", { datetime: String(line.time), text: clock.format(at(line.time)) }), h("span", { text: words })));
  }

  #download() {
    const { captions, call, people } = this.state;
    const name = people.assistant?.name || call.agent?.name || t("Assistant");
    const url = URL.createObjectURL(new Blob([transcript(captions, name)], { type: "text/plain;charset=utf-8" }));
    const link = h("a", { href: url, download: `conversation-${new Date().toISOString().slice(0, 10)}.txt` });
    /** @type {HTMLAnchorElement} */ (link).click();
    URL.revokeObjectURL(url);
  }
}

/** Date of a log line's time: ISO text or seconds. @param {string | number} time */
function at(time) {
  return new Date(typeof time === "number" ? time * 1000 : time);
}
