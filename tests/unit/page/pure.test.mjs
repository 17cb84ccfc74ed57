import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, changedConfig, fieldsOf, hasOwnTts, memoriesOf } from "../../../static/selector/agentform.js";
import { applyPiece, closeLines, transcript } from "../../../static/selector/captions.js";
import { parseEvents } from "../../../static/selector/follow.js";
import { arrange } from "../../../static/selector/arrange.js";
import { afterDisconnect, nextDelay } from "../../../static/selector/policy.js";
import { TurnClock } from "../../../static/selector/turnclock.js";
import { voiceGroups } from "../../../static/selector/voices.js";
import { ago, headline, memoryWords } from "../../../static/selector/words.js";

const say = (...pieces) => pieces.reduce((lines, piece) => applyPiece(lines, { at: 0, ...piece }), []);

test("interim text is replaced until it is final, then nothing changes it", () => {
  const me = { id: "1", who: "me" };
  const lines = say({ ...me, text: "turn", final: false }, { ...me, text: "turn left", final: true }, { ...me, text: "turn", final: false });
  assert.deepEqual(lines.map(({ text, final }) => [text, final]), [["turn left", true]]);
});

test("the assistant's text grows; empty text makes no line", () => {
  const it = { id: "1", who: "assistant" };
  assert.equal(say({ ...it, append: "Good ", final: false }, { ...it, append: "morning.", final: false }, { ...it, final: true })[0].text, "Good morning.");
  assert.equal(say({ ...it, append: "  ", final: false }, { ...it, final: true }).length, 0);
});

test("an answer cut short by the person is marked as interrupted, a finished one is not", () => {
  const it = { id: "1", who: "assistant" };
  const me = { id: "2", who: "me", text: "Stop", final: true };
  assert.ok(say({ ...it, append: "The dogs are", final: false }, me, { ...it, final: true })[0].interrupted);
  assert.ok(!say({ ...it, append: "The dogs are here.", final: false }, me, { ...it, final: true })[0].interrupted);
  assert.ok(!say({ ...it, append: "The dogs are", final: false }, { ...it, final: true })[0].interrupted);
  assert.ok(say({ ...it, append: "The dogs are", final: false }, { ...it, final: true }, me)[0].interrupted);
  assert.ok(!say({ ...it, append: "The dogs are here.", final: false }, { ...it, final: true }, me)[0].interrupted);
});

test("a lost connection leaves no line open, and a transcript tells who said what", () => {
  const lines = closeLines(say({ id: "1", who: "assistant", append: "Hel", final: false }, { id: "2", who: "me", text: "Hi", final: true }));
  assert.ok(lines.every(({ final }) => final));
  assert.match(transcript(lines, "Ada"), /Ada: Hel\n.*You: Hi\n/);
});

test("back-off grows, spreads, and ends", () => {
  const delays = Array.from({ length: 40 }, (_, attempt) => nextDelay(attempt, 0.5));
  const tries = delays.filter((delay) => delay !== null);
  assert.equal(delays[0], 0);
  assert.deepEqual(tries, [...tries].sort((a, b) => a - b));
  assert.ok(tries.length < 20 && delays.at(-1) === null);
  assert.notEqual(nextDelay(3, 0), nextDelay(3, 1));
});

test("only a displaced, removed or wanted end is not come back from", () => {
  assert.equal(afterDisconnect("DUPLICATE_IDENTITY"), "displaced");
  assert.equal(afterDisconnect("PARTICIPANT_REMOVED"), "removed");
  assert.equal(afterDisconnect("CLIENT_INITIATED"), "ignore");
  for (const reason of ["SERVER_SHUTDOWN", "ROOM_DELETED", "SIGNAL_CLOSE", "UNKNOWN_REASON", "something new"]) assert.equal(afterDisconnect(reason), "lost");
});

test("events arrive in pieces", () => {
  const whole = 'id: 1\nevent: log\ndata: {"a":1}\n\n: keep-alive\n\nid: 2\nevent: log\ndata: {"a":2}\n\n';
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const first = parseEvents(whole.slice(0, cut));
    const second = parseEvents(first.rest + whole.slice(cut));
    assert.deepEqual([...first.events, ...second.events].map(({ id, data }) => [id, data]), [["1", '{"a":1}'], ["2", '{"a":2}']], `cut at ${cut}`);
  }
});

test("time to answer: from the end of what was said to the first sound, the loudspeaker in the microphone aside", () => {
  const clock = new TurnClock();
  let turn = null;
  for (let at = 0; at < 4_000; at += 50) {
    const mine = at < 1_000 ? 0.1 : at > 2_000 ? 0.05 : 0;
    const heard = clock.hear(mine, at >= 1_800 ? 0.1 : 0, at);
    turn = heard.turn ?? turn;
  }
  assert.equal(turn, 850);
});

test("a knock is not speech, and an answer nobody asked for has no time", () => {
  const clock = new TurnClock();
  assert.equal(clock.hear(0.5, 0, 0).heard, false);
  assert.equal(clock.hear(0, 0.1, 50).turn, null);
});

test("last used first, every word must match, anywhere", () => {
  const items = [{ id: "a", name: "Ada", description: "tea" }, { id: "b", name: "Bo", description: "tea and dogs", model: "m" }, { id: "c", name: "Cy", description: "" }];
  const ids = (query, used) => arrange(items, query, used).map(({ id }) => id);
  assert.deepEqual(ids("", ["c", "b"]), ["c", "b", "a"]);
  assert.deepEqual(ids("dogs TEA", []), ["b"]);
});

test("editing keeps what the dialog does not show", () => {
  const config = { greeting: "Hi", extra: { x: 1 }, tools: ["t"], providers: { llm: { model: "m" }, tts: { model: "k", voice: "v" } } };
  const fields = fieldsOf({ name: "Ada", config });
  assert.deepEqual(changedConfig(config, fields), { ...config, instructions: "", memory_scope: fields.memory_scope, reply_path: "hybrid", room_policy: "session" });
  const cleared = changedConfig(config, { ...fields, voice: " ", greeting: "" });
  assert.deepEqual(cleared.providers, { llm: { model: "m" }, tts: { model: "k" } });
  assert.ok(!("greeting" in cleared));
});

test("who hears a memory block is written as two lists of labels", () => {
  const config = { audience: { menu: "everyone", desk: "known", persona: "owner", task: "everyone" }, providers: {} };
  const fields = fieldsOf({ name: "Ada", config });
  assert.deepEqual([fields.heard_by_everyone, fields.heard_by_known], ["menu, task", "desk"]);
  assert.deepEqual(changedConfig(config, fields).audience, config.audience);
  const changed = changedConfig(config, { ...fields, heard_by_everyone: " task ,, persona", heard_by_known: "" });
  assert.deepEqual(changed.audience, { persona: "everyone", task: "everyone" });
  assert.ok(!("audience" in changedConfig({}, fieldsOf({ name: "Ada" }))));
});

test("a new assistant remembers; one that was told not to is left so", () => {
  // It was "read_only" unless it spoke with an owner, because everybody's words reached the assistant's own memory.
  for (const role of ["general", "customer", "owner"]) assert.equal(fieldsOf({ role }).memory_scope, "personal");
  assert.equal(fieldsOf({ role: "owner", config: { memory_scope: "read_only" } }).memory_scope, "read_only");
});

test("memory and age in words", () => {
  const now = Date.parse("2026-11-21T09:00:00Z");
  assert.equal(memoryWords("fresh", now), "read");
  assert.equal(memoryWords("stale:2026-11-21T08:55:00Z", now), "from 5 min ago, not up to date");
  assert.equal(ago(now - 3 * 3_600_000, now), "3 h ago");
});

test("muted is said where it would be missed: while the assistant listens", () => {
  const call = { phase: "live" };
  const people = (/** @type {string} */ activity) => ({ assistant: { state: "engaged", ready: true, activity } });
  assert.equal(headline({ call, people: people("listening"), sound: { muted: true } }).text, "You are muted");
  assert.equal(headline({ call, people: people("listening"), sound: { muted: false } }).text, "Listening");
  assert.equal(headline({ call, people: people("speaking"), sound: { muted: true } }).text, "Speaking");
  assert.equal(headline({ call: { phase: "left" }, people: {}, sound: { muted: true } }).text, "Call ended");
});

test("an assistant has its own memory unless it shares one", () => {
  const own = fieldsOf({ name: "Luna", letta_agent_id: "agent-1", own_memory: true });
  assert.equal(own.letta_agent_id, "");
  assert.equal(bodyOf({}, own).letta_agent_id, null);
  assert.equal(bodyOf({}, fieldsOf({})).letta_agent_id, null);
  const shared = fieldsOf({ letta_agent_id: "agent-2" });
  assert.equal(bodyOf({}, shared).letta_agent_id, "agent-2");
});

test("the memory of each other assistant can be shared, once", () => {
  const items = [{ name: "Luna", letta_agent_id: "agent-1" }, { name: "Rosa", letta_agent_id: "agent-2" }, { name: "Rosa", letta_agent_id: "agent-2" }];
  assert.deepEqual(memoriesOf(items, {}), [["agent-1", "Luna"], ["agent-2", "Rosa"]]);
  assert.deepEqual(memoriesOf(items, { letta_agent_id: "agent-1", own_memory: true }), [["agent-2", "Rosa"]], "not its own");
  assert.deepEqual(memoriesOf([], { letta_agent_id: "agent-9" }), [["agent-9", "agent-9"]], "what is shared is kept, listed or not");
});

test("the voices of another TTS are not those of the installation", () => {
  assert.ok(!hasOwnTts(undefined));
  assert.ok(!hasOwnTts({ providers: { tts: { voice: "x", speed: 1 } } }));
  for (const tts of [{ provider: "p" }, { base_url: "u" }, { model: "m" }]) assert.ok(hasOwnTts({ providers: { tts } }));
});

test("voices are grouped by language, in the reader's words, those of none last", () => {
  const voice = (id, language) => ({ id, name: id, language, preview: true });
  const groups = voiceGroups([voice("x", ""), voice("a", "en-US"), voice("f", "fr"), voice("b", "en-US"), voice("q", "?!")], "en");
  assert.deepEqual(groups.map(({ language, members }) => [language, members.map(({ id }) => id).join("")]), [["American English", "ab"], ["French", "f"], ["?!", "q"], ["", "x"]]);
});
