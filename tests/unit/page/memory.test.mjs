import assert from "node:assert/strict";
import { test } from "node:test";
import { drewWords, recallOf, standingWords } from "../../../static/selector/memory.js";
import { initialState, reduce } from "../../../static/selector/state.js";
import { logWords } from "../../../static/selector/words.js";

const FACT = { fact_id: "f1", text: "The user's dog is named Biscuit.", said_at: "2026-11-02T09:00:00Z" };
const recall = (at, ...facts) => ({ type: "recall", recall: { turn_id: "t1", facts, untold: false, at } });
const caption = (id, who, text, at, final = false) => ({ type: "caption", piece: { id, who, append: text, final, at } });
const after = (...events) => events.reduce(reduce, initialState);
const drew = (state) => state.captions.map(drewWords);

test("what an answer drew on stands under that answer, whichever comes first", () => {
  const before = after(caption("1", "me", "What is my dog called?", 900, true), recall(1_000, FACT), caption("2", "assistant", "Biscuit", 2_000), caption("2", "assistant", ".", 2_100));
  assert.deepEqual(drew(before), ["", "Drew on: The user's dog is named Biscuit."]);
  const late = after(caption("2", "assistant", "Biscuit", 900), recall(1_000, FACT));
  assert.deepEqual(drew(late), ["Drew on: The user's dog is named Biscuit."]);
  const closed = reduce(before, caption("2", "assistant", "", 2_200, true));
  assert.equal(drew(reduce(closed, caption("3", "assistant", "Anything else?", 3_000)))[2], "", "and under no other one");
});

test("a note does not go to an earlier answer, and not to one that comes much later", () => {
  const earlier = after(caption("1", "assistant", "A long story", 1_000), recall(9_000, FACT), caption("2", "assistant", "Biscuit.", 9_500));
  assert.deepEqual(drew(earlier), ["", "Drew on: The user's dog is named Biscuit."]);
  const never = after(recall(1_000, FACT), caption("2", "assistant", "Hello again.", 90_000));
  assert.deepEqual(drew(never), [""]);
  assert.equal(never.memory.recall, null);
});

test("a person's late line does not take the note", () => {
  const state = after(recall(1_000, FACT), caption("1", "me", "What is my dog called?", 1_200, true), caption("2", "assistant", "Biscuit.", 1_500));
  assert.deepEqual(drew(state), ["", "Drew on: The user's dog is named Biscuit."]);
});

test("a note that is none is left alone", () => {
  for (const value of [null, 1, "x", {}, { turn_id: 1, facts: [] }, { turn_id: "t", facts: {} }]) assert.equal(recallOf(value), null);
  const note = recallOf({ turn_id: "t", facts: [FACT, null, { text: 1 }, { text: " " }], untold: "yes" });
  assert.deepEqual([note?.facts, note?.untold], [[FACT], false]);
  assert.equal(recallOf({ turn_id: "t", facts: Array(99).fill(FACT) })?.facts.length, 5);
});

test("what is not remembered yet is said, and never covered", () => {
  const memory = (pending, parked) => ({ facts: [FACT], pending, parked, archive_pending: 0 });
  assert.equal(standingWords(null), "");
  assert.equal(standingWords(memory(0, 0)), "Remembered");
  assert.equal(standingWords(memory(2, 0)), "Not remembered yet (2)");
  assert.equal(standingWords(memory(1, 2)), "Not remembered yet (3)");
  assert.equal(logWords({ event: "turn.stored" }), "Saved");
  assert.equal(logWords({ event: "memory.failed", fields: { what: "facts" } }), "Not remembered yet");
});

test("what is known belongs to the conversation, and a failure keeps what was known", () => {
  const known = { facts: [FACT], pending: 0, parked: 0, archive_pending: 0 };
  const told = after({ type: "memory.known", known });
  const failed = reduce(told, { type: "memory.failed", trouble: { code: "offline", message: "The server did not answer." } });
  assert.deepEqual([failed.memory.known, failed.memory.trouble.code], [known, "offline"]);
  assert.equal(reduce(failed, { type: "memory.known", known }).memory.trouble, null);
  const other = reduce(told, { type: "call", step: "start", agent: { id: "a2", name: "Bo" }, fresh: true });
  assert.equal(other.memory.known, null);
});
