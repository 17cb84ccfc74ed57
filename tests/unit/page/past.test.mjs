import assert from "node:assert/strict";
import { test } from "node:test";
import { asLines, byDay, dayWords, lastWords, lengthWords } from "../../../static/selector/past.js";
import { HOME, assistantNamed, pathOf, placeOf } from "../../../static/selector/places.js";
import { problems } from "../../../static/selector/problems.js";
import { initialState, reduce } from "../../../static/selector/state.js";

const item = (id, lastAt, more = {}) => ({ session_id: id, agent: { id: "a1", name: "Ada" }, began_at: lastAt, last_at: lastAt, turns: 2, seconds: 0, first_words: "", found: "", resumable: true, ...more });
const after = (...events) => events.reduce(reduce, initialState);

test("each place has an address, and each address a place", () => {
  for (const place of [HOME, { name: "talk", agent: "agent-1" }, { name: "talk", agent: "Café / Bar" }, { name: "conversations" }, { name: "conversation", id: "s1" }]) {
    assert.deepEqual(placeOf(pathOf(place)), place);
  }
  for (const path of ["/talk", "/talk/", "/nowhere", "/conversations/s1/x", "//", ""]) assert.deepEqual(placeOf(path), HOME, path);
  assert.deepEqual(placeOf("/talk/%E0%A4%A"), { name: "talk", agent: "%E0%A4%A" });
});

test("an address names an assistant by id, or by a name that only one has", () => {
  const agents = [{ id: "a1", name: "Ada" }, { id: "a2", name: "Bert" }, { id: "a3", name: "Bert" }, { id: "Ada", name: "Cleo" }];
  assert.equal(assistantNamed(agents, "a2").id, "a2");
  assert.equal(assistantNamed(agents, "cleo").id, "Ada");
  assert.equal(assistantNamed(agents, "Ada").id, "Ada", "an id before a name");
  assert.equal(assistantNamed(agents, "Bert"), null);
});

test("an address of nobody is said, once the list is there", () => {
  const there = after({ type: "place", place: { name: "talk", agent: "nobody" } });
  assert.deepEqual(problems(there), []);
  const loaded = reduce(there, { type: "agents.loaded", agents: [{ id: "a1", name: "Ada" }] });
  assert.deepEqual(problems(loaded).map(({ code }) => code), ["no_such_assistant"]);
});

test("conversations stand under the reader's days", () => {
  const now = new Date(2026, 10, 26, 0, 30).getTime();
  const at = (...when) => new Date(...when).toISOString();
  const items = [item("s4", at(2026, 10, 26, 0, 1)), item("s3", at(2026, 10, 25, 23, 59)), item("s2", at(2026, 10, 25, 0, 1)), item("s1", at(2025, 0, 2, 12))];
  assert.deepEqual(byDay(items, now, "en").map(({ day, items: of }) => [day, of.map((one) => one.session_id)]), [
    ["Today", ["s4"]], ["Yesterday", ["s3", "s2"]], ["Thursday, January 2, 2025", ["s1"]],
  ]);
  assert.equal(dayWords(new Date(2026, 10, 20, 12).getTime(), now, "en"), "Friday, November 20");
});

test("a length counts questions, and minutes from one on", () => {
  assert.equal(lengthWords(item("s", "", { turns: 1, seconds: 59 })), "1 question");
  assert.equal(lengthWords(item("s", "", { turns: 3, seconds: 150 })), "3 questions · 3 min");
});

test("what was said before is shown in the call that goes on", () => {
  const messages = [
    { turn_id: "t1", role: "user", text: "Hello.", interrupted: false, said_at: "2026-11-26T12:00:00Z" },
    { turn_id: "t1", role: "assistant", text: "Hi", interrupted: true, said_at: "2026-11-26T12:00:00Z" },
    { turn_id: "t2", role: "user", text: "Bye.", interrupted: false, said_at: "" },
  ];
  const lines = asLines(messages);
  assert.deepEqual(lines.map(({ who, text, final, interrupted }) => [who, text, final, interrupted]), [
    ["me", "Hello.", true, false], ["assistant", "Hi", true, true], ["me", "Bye.", true, false],
  ]);
  assert.equal(lastWords(messages), "Bye.");
  assert.equal(lastWords([]), "");
  const call = after({ type: "captions.restored", lines }, { type: "call", step: "start", agent: { id: "a1", name: "Ada" }, fresh: false });
  assert.equal(call.captions.length, 3);
});

test("pages are added, a new search replaces, a failure keeps what is there, and a deleted one is gone", () => {
  const first = after({ type: "past.loading", query: "" }, { type: "past.loaded", conversations: [item("s2", "")], next: 7 });
  const both = reduce(reduce(first, { type: "past.loading", query: "" }), { type: "past.loaded", conversations: [item("s1", "")], next: null, more: true });
  const ids = (state) => state.past.items.map((one) => one.session_id);
  assert.deepEqual(ids(both), ["s2", "s1"]);
  const failed = reduce(both, { type: "past.failed", trouble: { code: "server_gone", message: "Gone." } });
  assert.deepEqual([ids(failed), failed.past.status], [["s2", "s1"], "failed"]);
  const open = reduce(both, { type: "past.open", open: { conversation: item("s2", ""), messages: [] } });
  const deleted = reduce(reduce(open, { type: "past.read", read: open.past.open }), { type: "past.deleted", id: "s2" });
  assert.deepEqual([ids(deleted), deleted.past.read, deleted.past.open], [["s1"], null, null]);
  assert.deepEqual(ids(reduce(both, { type: "past.loaded", conversations: [], next: null })), []);
  assert.equal(reduce(reduce(both, { type: "past.read", read: open.past.open }), { type: "place", place: HOME }).past.read, null);
});
