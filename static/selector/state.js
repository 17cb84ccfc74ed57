/**
 * State of the page and its reducer, the only place where it changes. Pure: `reduce(state, event)` gives the next state.
 *
 * @typedef {"idle" | "requesting" | "joining" | "live" | "shaky" | "returning" | "leaving" | "left" | "stopped" | "displaced"} Phase
 * @typedef {{code: string, message: string, remedy?: string, level?: string}} Trouble
 * @typedef {{type: string, [field: string]: any}} Event
 */
import { applyPiece, closeLines } from "./captions.js";
import { takeRecall, withRecall } from "./memory.js";
import { NO_PAST, PAST_HANDLERS } from "./past.js";
import { answering } from "./people.js";
import { HOME } from "./places.js";

/** Transitions by phase and step. A step that is not listed for a phase is late and changes nothing. */
export const PHASES = Object.freeze({
  idle: { start: "requesting", restore: "returning" },
  requesting: { granted: "joining", failed: "stopped", leave: "leaving" },
  joining: { joined: "live", lost: "returning", failed: "stopped", displaced: "displaced", leave: "leaving" },
  live: { shaky: "shaky", lost: "returning", failed: "stopped", displaced: "displaced", leave: "leaving" },
  shaky: { steady: "live", lost: "returning", failed: "stopped", displaced: "displaced", leave: "leaving" },
  returning: { granted: "returning", joined: "live", lost: "returning", failed: "stopped", displaced: "displaced", leave: "leaving" },
  leaving: { left: "left" },
  left: { start: "requesting", dismiss: "idle" },
  stopped: { start: "requesting", restore: "returning", dismiss: "idle" },
  displaced: { start: "requesting", dismiss: "idle" },
});

/** Phases in which the page is in a room or on its way into one. */
export const IN_CALL = new Set(["requesting", "joining", "live", "shaky", "returning"]);

const NO_CALL = Object.freeze({
  phase: /** @type {Phase} */ ("idle"),
  agent: null,
  sessionId: null,
  resumed: false,
  tookOver: false,
  returns: 0,
  nextTryAt: null,
  connectedAt: null,
  waitingSince: null,
  notice: null,
  trouble: null,
  reset: null,
  roomProblem: null,
});

const NO_PEOPLE = Object.freeze({ assistant: null, assistants: 0, others: 0 });

export const initialState = Object.freeze({
  now: 0,
  online: true,
  place: HOME,
  past: NO_PAST,
  agents: { status: "loading", items: [], llm: null, providers: [], letta: null, trouble: null, query: "", chosen: null, lastUsed: [] },
  call: NO_CALL,
  people: NO_PEOPLE,
  captions: [],
  sound: {
    muted: false, pushToTalk: false, talking: false, heard: false, micTrouble: null, blocked: false, volume: 1,
    microphones: [], speakers: [], micId: "", speakerId: "",
  },
  notices: [],
  timeline: { lines: [], following: false },
  turns: [],
  memory: { known: null, trouble: null, recall: null },
});

const KEEP_LINES = 200;
const KEEP_TURNS = 20;

/** @type {Record<string, (state: any, event: any) => any>} */
const HANDLERS = {
  tick: (state, { now }) => ({ ...state, now }),
  online: (state, { online }) => ({ ...state, online }),
  "agents.loading": (state) => within(state, "agents", { status: state.agents.items.length || state.agents.trouble ? state.agents.status : "loading" }),
  "agents.loaded": (state, { agents, letta, llm, providers }) =>
    within(state, "agents", { status: "ready", items: agents, llm, providers: providers ?? [], letta: letta?.available === false ? letta.error : null, trouble: null }),
  "agents.failed": (state, { trouble }) => within(state, "agents", { status: state.agents.items.length ? "ready" : "failed", trouble }),
  "agents.query": (state, { query }) => within(state, "agents", { query }),
  "agents.chosen": (state, { id }) => within(state, "agents", { chosen: id }),
  "agents.used": (state, { lastUsed }) => within(state, "agents", { lastUsed }),
  ...PAST_HANDLERS,
  call: onCall,
  "room.people": (state, { people, me }) => onPeople(state, answering(people, me, state.call.agent?.id)),
  "room.problem": (state, { problem }) => within(state, "call", { roomProblem: problem }),
  caption: (state, { piece }) => onLines(state, takeRecall(state.captions, applyPiece(state.captions, { ...piece, at: piece.at ?? state.now }), state.memory.recall)),
  recall: (state, { recall }) => onLines(state, withRecall(state.captions, recall)),
  "memory.known": (state, { known }) => within(state, "memory", { known, trouble: null }),
  "memory.failed": (state, { trouble }) => within(state, "memory", { trouble }),
  "captions.restored": (state, { lines }) => ({ ...state, captions: lines }),
  sound: (state, { type: _, ...sound }) => within(state, "sound", sound),
  notice: (state, { notice }) => ({ ...state, notices: withNotice(state.notices, { ...notice, at: state.now }) }),
  "notice.closed": (state, { code }) => ({ ...state, notices: state.notices.filter((/** @type {Trouble} */ one) => one.code !== code) }),
  "call.took_over": (state) => within(state, "call", { tookOver: true }),
  "call.noted": (state) => within(state, "call", { notice: null, trouble: null, tookOver: false }),
  "log.following": (state, { following }) => within(state, "timeline", { following }),
  "log.line": (state, { line }) => changed(state, "timeline", withLine(state.timeline, line)),
  turn: (state, { turn }) => ({ ...state, turns: [...state.turns, turn].slice(-KEEP_TURNS) }),
};

/** @param {any} state @param {Event} event */
export function reduce(state, event) {
  const handler = HANDLERS[event.type];
  if (!handler) throw new Error(`No such event: ${event.type}`);
  return handler(state, event);
}

/** A step of the call: `{type: "call", step, …}`. */
function onCall(/** @type {any} */ state, /** @type {Event} */ event) {
  const phase = PHASES[/** @type {Phase} */ (state.call.phase)][event.step];
  if (!phase) return state;
  const next = { ...state, call: { ...state.call, phase, ...STEPS[event.step]?.(state, event) } };
  return AFTER[event.step]?.(next, event) ?? next;
}

/** Changes of the call by step. @type {Record<string, (state: any, event: any) => any>} */
const STEPS = {
  start: (_, { agent }) => ({ ...NO_CALL, phase: "requesting", agent }),
  restore: (state, { agent, sessionId }) => ({ ...state.call, phase: "returning", agent, sessionId, returns: 0, trouble: null, nextTryAt: null }),
  granted: (state, { session }) => ({
    agent: session.agent, sessionId: session.session_id, resumed: session.resumed, notice: session.notice ?? state.call.notice, nextTryAt: null,
  }),
  joined: (state) => ({
    connectedAt: state.now, waitingSince: state.now, trouble: null, nextTryAt: null,
    returns: state.call.phase === "returning" ? state.call.returns + 1 : state.call.returns,
  }),
  lost: (state, { trouble, nextTryAt }) => ({ trouble: trouble ?? state.call.trouble, nextTryAt: nextTryAt ?? null, roomProblem: null }),
  failed: (_, { trouble }) => ({ trouble, nextTryAt: null }),
  left: (_, { reset }) => ({ reset, nextTryAt: null, roomProblem: null }),
  displaced: () => ({ nextTryAt: null, roomProblem: null, trouble: null }),
  dismiss: () => ({ ...NO_CALL }),
};

const outOfRoom = (/** @type {any} */ state) => ({ ...state, people: NO_PEOPLE, captions: closeLines(state.captions) });

/** Changes outside the call by step. @type {Record<string, (state: any, event: any) => any>} */
const AFTER = {
  start: (state, { fresh }) => ({ ...outOfRoom(state), captions: fresh ? [] : state.captions, turns: fresh ? [] : state.turns, notices: [], memory: initialState.memory }),
  granted: (state, { session }) => (session.resumed ? state : { ...state, timeline: { ...state.timeline, lines: [] } }),
  lost: outOfRoom,
  failed: outOfRoom,
  left: outOfRoom,
  displaced: outOfRoom,
  dismiss: (state) => ({ ...outOfRoom(state), captions: [], turns: [], notices: [], timeline: initialState.timeline, memory: initialState.memory }),
};

/** Participants changed. The waiting time starts anew when no assistant is ready any more. */
function onPeople(/** @type {any} */ state, /** @type {any} */ people) {
  const wasReady = state.people.assistant?.ready;
  const ready = people.assistant?.ready;
  const waitingSince = ready ? null : wasReady || state.call.waitingSince === null ? state.now : state.call.waitingSince;
  return { ...state, people, call: { ...state.call, waitingSince } };
}

/** Sets the lines, and the recall note that still waits for its line. */
function onLines(/** @type {any} */ state, /** @type {{lines: any[], waiting: any}} */ { lines, waiting }) {
  const next = changed(state, "captions", lines);
  return waiting === state.memory.recall ? next : within(next, "memory", { recall: waiting });
}

/** One notice per code: a repeated one replaces the earlier. */
function withNotice(/** @type {Trouble[]} */ notices, /** @type {Trouble} */ notice) {
  return [...notices.filter((one) => one.code !== notice.code), notice].slice(-4);
}

/** Inserts a line in order of time, once: a stream that restarts repeats lines. */
function withLine(/** @type {{lines: any[]}} */ timeline, /** @type {any} */ line) {
  const { lines } = timeline;
  if (lines.some((one) => one.seq === line.seq && one.pid === line.pid && one.time === line.time)) return timeline;
  const later = lines.findIndex((one) => one.time > line.time);
  const place = later < 0 ? lines.length : later;
  return { ...timeline, lines: [...lines.slice(0, place), line, ...lines.slice(place)].slice(-KEEP_LINES) };
}

function within(/** @type {any} */ state, /** @type {string} */ part, /** @type {object} */ change) {
  return { ...state, [part]: { ...state[part], ...change } };
}

function changed(/** @type {any} */ state, /** @type {string} */ part, /** @type {unknown} */ value) {
  return state[part] === value ? state : { ...state, [part]: value };
}
