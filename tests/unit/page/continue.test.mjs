import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Conversation } from "../../../static/selector/conversation.js";
import { initialState, reduce } from "../../../static/selector/state.js";
import { kept, openConversation } from "../../../static/selector/storage.js";
import { FakeStorage } from "./fakestorage.mjs";

const AGENT = { id: "a1", name: "Ada" };

beforeEach(() => {
  globalThis.localStorage = new FakeStorage();
  globalThis.sessionStorage = new FakeStorage();
});

/** Returns what the server was asked when this conversation is continued. */
async function continued(sessionId) {
  const asked = [];
  globalThis.fetch = async (_path, { body }) => {
    asked.push(JSON.parse(body));
    return new Response(JSON.stringify({ session_id: sessionId, resume_secret: "new", agent: AGENT, browser_key: null, notice: null }), { status: 201 });
  };
  const store = { state: initialState, dispatch(event) { this.state = reduce(this.state, event); } };
  const conversation = new Conversation({ store, join: async () => {}, part: async () => {}, claim: () => {} });
  await conversation.connect(AGENT, { continues: sessionId });
  assert.equal(store.state.call.phase, "live");
  return asked[0];
}

test("a conversation is continued by its id alone, and its new secret is kept", async () => {
  const asked = await continued("s1");
  assert.deepEqual([asked.session_id, "resume_secret" in asked], ["s1", false]);
  assert.equal(kept.session().secret, "new");
});

test("the conversation of this tab is continued with its secret, another one of the same assistant is not", async () => {
  const session = { sessionId: "s1", secret: "mine", agent: AGENT, intent: "left" };
  kept.keepSession(session);
  assert.equal((await continued("s1")).resume_secret, "mine");
  kept.keepSession(session);
  const other = await continued("s2");
  assert.deepEqual([other.session_id, "resume_secret" in other], ["s2", false]);
});

test("the open conversation of a browser is closed and dropped by its own tab only", () => {
  openConversation.keep({ sessionId: "s1", live: true, at: 1 });
  openConversation.close("s2");
  openConversation.close(null);
  assert.equal(openConversation.read().live, true);
  openConversation.close("s1");
  assert.equal(openConversation.read().live, false);
  openConversation.drop("s2");
  openConversation.drop(null);
  assert.equal(openConversation.read().sessionId, "s1");
  openConversation.drop("s1");
  assert.equal(openConversation.read(), null);
});
