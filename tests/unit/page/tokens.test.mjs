import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Conversation } from "../../../static/selector/conversation.js";
import { TOKEN_TTL_S } from "../../../static/selector/policy.js";
import { initialState, reduce } from "../../../static/selector/state.js";
import { FakeStorage } from "./fakestorage.mjs";

const AGENT = { id: "a1", name: "Ada" };

beforeEach(() => {
  globalThis.localStorage = new FakeStorage();
  globalThis.sessionStorage = new FakeStorage();
});

test("a short token is asked for, and a new one with each way back: the old one may have run out", async () => {
  const asked = [];
  globalThis.fetch = async (_path, { method, body }) => {
    if (method !== "POST" || !body) return new Response(JSON.stringify({ ended: false, reset: "done" }));
    asked.push(JSON.parse(body));
    const token = `token-${asked.length}`;
    const call = { call_id: asked.at(-1).call_id ?? `call-${asked.length}` };
    const granted = { session_id: "s1", resume_secret: "r", agent: AGENT, participant_token: token, ...call, resumed: asked.length > 1, notice: null };
    return new Response(JSON.stringify(granted), { status: 201 });
  };
  const joined = [];
  let lost = /** @type {any} */ (null);
  let back = /** @type {any} */ (null);
  const again = new Promise((resolve) => { back = resolve; });
  const store = { state: { ...initialState, online: true }, dispatch(event) { this.state = reduce(this.state, event); } };
  const join = async (session, onDisconnected) => {
    joined.push(session.participant_token);
    lost = onDisconnected;
    // LiveKit refuses what has run out, also in its own attempts to come back.
    if (joined.length === 2) throw new Error("401");
    if (joined.length === 3) back();
  };
  const conversation = new Conversation({ store, join, part: async () => {}, claim: () => {} });
  await conversation.connect(AGENT, { fresh: true });
  lost("UNKNOWN_REASON");
  conversation.nudge();
  await again;
  assert.deepEqual(joined, ["token-1", "token-2", "token-3"]);
  assert.deepEqual(asked.map((body) => body.token_ttl), Array(3).fill(TOKEN_TTL_S));
  assert.deepEqual(asked.slice(1).map((body) => body.session_id), ["s1", "s1"]);
  assert.deepEqual(asked.map((body) => body.call_id), [undefined, "call-1", "call-1"], "it goes on with its call");
  await conversation.leave();
  await conversation.connect(AGENT);
  assert.equal(asked.at(-1).call_id, undefined, "a button begins a new one");
});
