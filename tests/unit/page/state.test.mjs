import assert from "node:assert/strict";
import { test } from "node:test";
import { IN_CALL, PHASES, initialState, reduce } from "../../../static/selector/state.js";
import { problems } from "../../../static/selector/problems.js";

const AGENT = { id: "a1", name: "Ada" };
const SESSION = { session_id: "s1", agent: AGENT, resumed: false, notice: null };
const call = (step, fields = {}) => ({ type: "call", step, ...fields });
const after = (...events) => events.reduce(reduce, initialState);
const live = after({ type: "tick", now: 1_000 }, call("start", { agent: AGENT, fresh: true }), call("granted", { session: SESSION }), call("joined"));
const assistant = (attributes) => ({ identity: "agent-1", agent: true, name: "", audio: true, attributes });
const codes = (state) => problems(state).map(({ code }) => code);

test("the way into a call", () => {
  assert.equal(live.call.phase, "live");
  assert.equal(live.call.sessionId, "s1");
});

test("every phase of a call can be left, and a late event changes nothing", () => {
  for (const phase of IN_CALL) assert.equal(PHASES[phase].leave, "leaving", phase);
  const left = reduce(reduce(live, call("leave")), call("left", { reset: "done" }));
  assert.equal(left.call.phase, "left");
  for (const late of ["joined", "granted", "lost", "steady", "displaced"]) assert.equal(reduce(left, call(late)), left, late);
});

test("a displaced tab comes back only when the person asks", () => {
  const displaced = reduce(live, call("displaced"));
  assert.deepEqual(Object.keys(PHASES.displaced).sort(), ["dismiss", "start"]);
  assert.ok(codes(displaced).includes("displaced"));
});

test("coming back keeps what was said; a new conversation does not", () => {
  const said = reduce(live, { type: "caption", piece: { id: "1", who: "me", text: "Hello", final: true } });
  const lost = reduce(said, call("lost", { trouble: { code: "lost", message: "Gone." }, nextTryAt: 5_000 }));
  assert.equal(lost.captions.length, 1);
  const back = reduce(lost, call("joined"));
  assert.equal(back.call.returns, 1);
  assert.deepEqual(codes(back), ["back"]);
  const left = reduce(reduce(said, call("leave")), call("left", { reset: "done" }));
  assert.equal(reduce(left, call("start", { agent: AGENT })).captions.length, 1);
  assert.equal(reduce(left, call("start", { agent: AGENT, fresh: true })).captions.length, 0);
});

test("who answers is what the assistant says of itself", () => {
  const people = [assistant({ "va.agent_id": "a1", "va.agent_name": "Ada", "va.ready": "1", "va.state": "ENGAGED", "va.episode": "3", "va.memory": "fresh" })];
  const state = reduce(live, { type: "room.people", people, me: "me" });
  assert.equal(state.people.assistant.state, "engaged");
  assert.equal(state.people.assistant.episode, 3);
  assert.equal(state.call.waitingSince, null);
  assert.deepEqual(codes(state), []);
});

test("the wrong assistant is named and never counts as ready", () => {
  const state = reduce(live, { type: "room.people", people: [assistant({ "va.agent_id": "b2", "va.ready": "1" })], me: "me" });
  assert.equal(state.people.assistant.ready, false);
  assert.ok(codes(state).includes("wrong_agent"));
});

test("of two assistants the ready one with the younger lease answers, and the surplus is told", () => {
  const one = (identity, epoch, ready) => ({ ...assistant({ "va.lease_epoch": String(epoch), "va.ready": ready }), identity });
  const pick = (...people) => reduce(live, { type: "room.people", people, me: "me" });
  assert.equal(pick(one("x", 9, ""), one("y", 1, "1")).people.assistant.identity, "y");
  const both = pick(one("x", 2, "1"), one("y", 1, "1"));
  assert.equal(both.people.assistant.identity, "x");
  assert.ok(codes(both).includes("surplus"));
});

test("waiting is told after a while, and the server's reason comes first", () => {
  assert.deepEqual(codes(reduce(live, { type: "tick", now: 2_000 })), []);
  const late = reduce(live, { type: "tick", now: 11_000 });
  assert.deepEqual(codes(late), ["waiting"]);
  const told = reduce(late, { type: "room.problem", problem: { code: "no_worker", message: "No worker." } });
  assert.deepEqual(codes(told), ["no_worker"]);
});

test("an assistant that goes away starts the waiting anew", () => {
  const people = [assistant({ "va.ready": "1" })];
  const there = reduce(live, { type: "room.people", people, me: "me" });
  const later = reduce({ ...there, now: 60_000 }, { type: "room.people", people: [], me: "me" });
  assert.equal(later.call.waitingSince, 60_000);
});

test("microphone troubles have words of their own; silence is told, mute is not silence", () => {
  const quiet = { ...live, now: 30_000, call: { ...live.call, waitingSince: null } };
  assert.deepEqual(codes(quiet), ["unheard"]);
  assert.deepEqual(codes(reduce(quiet, { type: "sound", muted: true })), []);
  assert.deepEqual(codes(reduce(quiet, { type: "sound", heard: true })), []);
  assert.deepEqual(codes(reduce(quiet, { type: "caption", piece: { id: "1", who: "me", text: "Hi", final: true, typed: true } })), []);
  const messages = ["denied", "missing", "busy", "insecure"].map((micTrouble) => problems(reduce(quiet, { type: "sound", micTrouble }))[0]);
  assert.equal(new Set(messages.map(({ message }) => message)).size, 4);
  assert.ok(messages.every(({ remedy }) => remedy));
});

test("every problem says what to do", () => {
  const trouble = { code: "internal", message: "It broke." };
  for (const state of [reduce(live, call("failed", { trouble })), reduce(live, call("displaced")), reduce(live, { type: "online", online: false })]) {
    for (const one of problems(state)) assert.ok(one.message && one.remedy, one.code);
  }
});

test("a repeated notice replaces the earlier one and can be closed", () => {
  const notice = { level: "error", code: "tts_failed", message: "No voice." };
  const twice = [notice, notice].reduce((state, one) => reduce(state, { type: "notice", notice: one }), live);
  assert.equal(twice.notices.length, 1);
  assert.equal(reduce(twice, { type: "notice.closed", code: "tts_failed" }).notices.length, 0);
});

test("the timeline holds each line once, in order of time", () => {
  const line = (seq, time) => ({ type: "log.line", line: { pid: 1, seq, time } });
  const { timeline } = [line(2, "b"), line(1, "a"), line(2, "b"), line(3, "c")].reduce(reduce, live);
  assert.deepEqual(timeline.lines.map(({ seq }) => seq), [1, 2, 3]);
});

test("an unknown event is a mistake, not a shrug", () => {
  assert.throws(() => reduce(initialState, { type: "nonsense" }), /No such event/);
});
