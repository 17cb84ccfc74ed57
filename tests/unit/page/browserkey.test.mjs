import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Conversation } from "../../../static/selector/conversation.js";
import { initialState, reduce } from "../../../static/selector/state.js";
import { browserKey, kept } from "../../../static/selector/storage.js";
import { FakeStorage } from "./fakestorage.mjs";

const AGENT = { id: "a1", name: "Ada" };

beforeEach(() => {
  globalThis.localStorage = new FakeStorage();
  globalThis.sessionStorage = new FakeStorage();
});

/** A page whose server answers every new session with `keys` one after the other. Returns what the server was asked. */
async function visit(...keys) {
  const asked = [];
  globalThis.fetch = async (_path, { body }) => {
    asked.push(JSON.parse(body));
    const granted = { session_id: `s${asked.length}`, resume_secret: "r", agent: AGENT, browser_key: keys.shift() ?? null, notice: null };
    return new Response(JSON.stringify(granted), { status: 201 });
  };
  const store = { state: initialState, dispatch(event) { this.state = reduce(this.state, event); } };
  const conversation = new Conversation({ store, join: async () => {}, part: async () => {}, claim: () => {} });
  await conversation.connect(AGENT, { fresh: true });
  return asked;
}

test("a key is kept per browser, sent from then on, and replaced when the server gives another one", async () => {
  assert.ok(!("browser_key" in (await visit("k1"))[0]));
  globalThis.sessionStorage = new FakeStorage(); // another tab
  assert.equal((await visit())[0].browser_key, "k1");
  assert.equal((await visit("k2"))[0].browser_key, "k1");
  assert.equal((await visit())[0].browser_key, "k2");
  assert.ok(!JSON.stringify(kept.session()).includes("k2"), "it is kept in one place only");
});

test("of two tabs that were given a key at once the first decides", () => {
  browserKey.take("k1", undefined);
  browserKey.take("k2", undefined);
  assert.equal(browserKey.read(), "k1");
});

test("what is no key is not sent, and a browser that keeps nothing still gets in", async () => {
  for (const odd of ["{}", "7", "broken", JSON.stringify("x".repeat(5000))]) {
    globalThis.localStorage.setItem("voice-agent.browser-key", odd);
    assert.equal(browserKey.read(), undefined);
  }
  delete globalThis.localStorage;
  assert.ok(!("browser_key" in (await visit("k1"))[0]));
});
