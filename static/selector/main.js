/** Entry point: wires the modules together. */
import { api } from "./api.js";
import { Conversation } from "./conversation.js";
import { byId, h } from "./dom.js";
import { EditorView } from "./editor.js";
import { follow } from "./follow.js";
import { SLEEP_GAP_MS } from "./policy.js";
import { Stay } from "./room.js";
import { Sound } from "./sound.js";
import { browserKey, kept, preferences } from "./storage.js";
import { IN_CALL } from "./state.js";
import { createStore } from "./store.js";
import { LeaveQuestion } from "./leavequestion.js";
import { Navigation } from "./navigation.js";
import { PastActions } from "./pastactions.js";
import { PastView } from "./pastview.js";
import { PickView } from "./pick.js";
import { ProblemsView } from "./problemsview.js";
import { MemorySheet } from "./memorysheet.js";
import { LANGUAGES, choose, language, translate } from "./texts/text.js";
import { SoundView } from "./soundview.js";
import { TalkView } from "./talk.js";
import { DetailsView } from "./details.js";
import { YouView } from "./you.js";

/** Interval of retries for a list that could not be loaded. */
const LIST_AGAIN_MS = 5_000;
let listAgainAt = 0;

/** Events of the session after which memory may have changed. */
const CHANGES_MEMORY = new Set(["turn.finished", "turn.stored", "memory.learned", "memory.failed"]);
/** Interval of looks at pending turns: other processes may be learning from them. */
const MEMORY_AGAIN_MS = 5_000;
let memoryAgainAt = 0;
let memoryAsked = 0;
/** Whether it is known who uses the page. */
let knows = false;

translate(document);
/** The conversation of this tab is kept when the page is loaded again. */
const languages = byId("language");
languages.replaceChildren(...Object.entries(LANGUAGES).map(([code, { name }]) => h("option", { value: code, text: name, lang: code })));
languages.value = language;
languages.addEventListener("change", () => {
  choose(languages.value);
  location.reload();
});

const store = createStore();
const talk = new TalkView();
const sound = new Sound(store, (mine, theirs) => talk.levels(mine, theirs));

/** The current stay in the room; `followed` lives exactly as long. */
let stay = /** @type {Stay | null} */ (null);
let followed = new AbortController();

async function join(/** @type {any} */ session, /** @type {(reason: string) => void} */ onDisconnected) {
  await part();
  const current = new Stay(listener(onDisconnected), byId("speakers"), store.state.sound);
  stay = current;
  followLog();
  await current.connect(session.server_url, session.participant_token);
  if (stay === current) void sound.enter(current);
}

async function part() {
  const old = stay;
  stay = null;
  followed.abort();
  await sound.leave();
  await old?.disconnect();
  byId("speakers").replaceChildren();
}

/** @param {(reason: string) => void} onDisconnected @returns {import("./room.js").Listener} */
function listener(onDisconnected) {
  return {
    people: (people, me) => store.dispatch({ type: "room.people", people, me }),
    problem: (problem) => store.dispatch({ type: "room.problem", problem }),
    caption: (piece) => store.dispatch({ type: "caption", piece: { ...piece, at: Date.now() } }),
    notice: (notice) => store.dispatch({ type: "notice", notice }),
    recall({ recall, identity }) {
      if (identity === store.state.people.assistant?.identity) store.dispatch({ type: "recall", recall: { ...recall, at: Date.now() } });
    },
    disconnected: onDisconnected,
    shaky: () => store.dispatch({ type: "call", step: "shaky" }),
    steady: () => store.dispatch({ type: "call", step: "steady" }),
    blocked: (blocked) => sound.blocked(blocked),
    voice: (track) => sound.voice(track),
    devices: () => void sound.listDevices(),
    microphoneEnded: () => void sound.microphoneEnded(),
  };
}

function followLog() {
  const session = kept.session();
  if (!session) return;
  followed = new AbortController();
  void follow({
    sessionId: session.sessionId,
    secret: session.secret,
    signal: followed.signal,
    line(line) {
      store.dispatch({ type: "log.line", line });
      if (CHANGES_MEMORY.has(line.event)) void actions.lookAtMemory();
    },
    following: (following) => store.dispatch({ type: "log.following", following }),
  });
}

/** Tabs of one browser tell each other which session they use. */
const tabs = new BroadcastChannel("voice-agent");
const me = crypto.randomUUID?.() ?? String(Math.random());
tabs.addEventListener("message", ({ data }) => {
  const { sessionId } = store.state.call;
  if (data.tab === me || data.sessionId !== sessionId) return;
  const mine = IN_CALL.has(store.state.call.phase) || store.state.call.phase === "displaced";
  if (data.kind === "claim" && mine) {
    tabs.postMessage({ kind: "yielded", sessionId, tab: me });
    void conversation.displaced();
  } else if (data.kind === "yielded") store.dispatch({ type: "call.took_over" });
});

const conversation = new Conversation({
  store,
  join,
  part,
  claim: (sessionId) => tabs.postMessage({ kind: "claim", sessionId, tab: me }),
});

const actions = {
  connect(/** @type {{fresh?: boolean}} */ options = {}) {
    const agent = store.state.call.agent ?? store.state.agents.items.find((/** @type {any} */ one) => one.id === store.state.agents.chosen);
    if (!agent) return;
    store.dispatch({ type: "agents.used", lastUsed: preferences.used(agent.id) });
    void conversation.connect({ id: agent.id, name: agent.name }, options);
  },
  leave: () => void conversation.leave(),
  dismiss() {
    past.done(store.state.call.sessionId);
    conversation.dismiss();
    navigation.home();
    void actions.reload();
  },
  retry: () => conversation.nudge(),
  choose: (/** @type {string} */ id) => store.dispatch({ type: "agents.chosen", id }),
  query: (/** @type {string} */ query) => store.dispatch({ type: "agents.query", query }),
  /** Rejects if it was not sent. */
  async say(/** @type {string} */ text) {
    if (!stay) throw new Error("not in a call");
    const id = await stay.say(text);
    sound.typed();
    store.dispatch({ type: "caption", piece: { id, who: "me", text, final: true, typed: true, at: Date.now() } });
  },
  async reload() {
    store.dispatch({ type: "agents.loading" });
    try {
      store.dispatch({ type: "agents.loaded", ...(await api.listAgents(browserKey.read())) });
    } catch (error) {
      const { code, message, remedy } = /** @type {any} */ (error);
      store.dispatch({ type: "agents.failed", trouble: { code, message, remedy } });
    }
  },
  /** Loads the person's memory. Only the answer to the newest request counts. */
  async lookAtMemory() {
    const { agentId, secret } = remembering();
    const asked = ++memoryAsked;
    memoryAgainAt = Date.now() + MEMORY_AGAIN_MS;
    try {
      const known = await api.memory(agentId, secret);
      if (asked === memoryAsked && agentId === remembering().agentId) store.dispatch({ type: "memory.known", known });
    } catch (error) {
      const { code, message, remedy } = /** @type {any} */ (error);
      if (asked === memoryAsked) store.dispatch({ type: "memory.failed", trouble: { code, message, remedy } });
    }
  },
  forget: (/** @type {string | null} */ factId) => changeMemory(({ agentId, secret }) => api.forget(agentId, factId, secret)),
  correct: (/** @type {string} */ factId, /** @type {string} */ text) => changeMemory(({ secret }) => api.correct(factId, text, secret)),
  noted: () => store.dispatch({ type: "call.noted" }),
  closeNotice: (/** @type {string} */ code) => store.dispatch({ type: "notice.closed", code }),
  microphone: () => void sound.startMicrophone(),
  unblock: () => void sound.unblock(),
  openSound: () => byId("sound").showModal(),
};

/** Whose memory is shown: what the assistant of the call knows of the person, and outside of a call what all know. */
function remembering() {
  const session = store.state.call.phase === "idle" ? null : kept.session();
  return session ? { agentId: session.agent.id, secret: session.secret } : { agentId: "", secret: you.secret };
}

async function changeMemory(/** @type {(from: {agentId: string, secret: string | undefined}) => Promise<unknown>} */ change) {
  try {
    await change(remembering());
    await actions.lookAtMemory();
  } catch (error) {
    const { code, message, remedy } = /** @type {any} */ (error);
    store.dispatch({ type: "memory.failed", trouble: { code, message, remedy } });
  }
}

const leaveQuestion = new LeaveQuestion(async () => {
  await conversation.leave();
  past.left();
  conversation.dismiss();
  navigation.goOn();
});
const navigation = new Navigation({ store, ask: () => leaveQuestion.ask(), dismiss: () => conversation.dismiss() });
const past = new PastActions({
  store,
  secret: () => you.secret,
  connect(agent, continues) {
    store.dispatch({ type: "agents.used", lastUsed: preferences.used(agent.id) });
    void conversation.connect({ id: agent.id, name: agent.name }, { continues });
  },
});
const editor = new EditorView(api, actions);
const memorySheet = new MemorySheet(actions);
const you = new YouView({ leave: () => conversation.leave(), openMemory: () => memorySheet.open(), problem: (problem) => store.dispatch({ type: "notice", notice: problem }) });
const views = [
  new PickView(actions, editor), talk, new DetailsView(actions), new ProblemsView(actions), new SoundView(sound),
  memorySheet, new PastView(past, navigation), leaveQuestion, navigation,
];
talk.bind(actions, sound);
store.subscribe((state, before) => {
  for (const view of views) view.render(state, before);
  if (state.captions !== before.captions) kept.keepCaptions(state.captions.filter((/** @type {any} */ line) => line.final).slice(-100));
});

/** One-second clock: updates the ages on the page; a gap means that the machine slept. */
setInterval(() => {
  const now = Date.now();
  if (store.state.call.phase === "idle" && store.state.agents.trouble && now >= listAgainAt) {
    listAgainAt = now + LIST_AGAIN_MS;
    void actions.reload();
  }
  const { known } = store.state.memory;
  if (IN_CALL.has(store.state.call.phase) && now >= memoryAgainAt && (!known || known.pending > 0)) void actions.lookAtMemory();
  if (now - store.state.now > SLEEP_GAP_MS) conversation.nudge();
  store.dispatch({ type: "tick", now });
  if (knows) void past.look(now);
}, 1000);

const online = () => {
  store.dispatch({ type: "online", online: navigator.onLine });
  if (navigator.onLine) conversation.nudge();
};
window.addEventListener("online", online);
window.addEventListener("offline", online);
document.addEventListener("visibilitychange", () => document.hidden || conversation.nudge());
// Assistants may have changed in another tab.
window.addEventListener("focus", () => store.state.call.phase === "idle" && void actions.reload());
// A page from the browser's back-forward cache lost its room when it was cached.
window.addEventListener("pageshow", (event) => event.persisted && void conversation.restore());

store.dispatch({ type: "tick", now: Date.now() });
store.dispatch({ type: "online", online: navigator.onLine });
store.dispatch({ type: "agents.used", lastUsed: preferences.read().lastUsed });
const before = kept.session();
if (before?.intent === "live") store.dispatch({ type: "captions.restored", lines: kept.captions() });
void actions.reload();
void conversation.restore();
// Whose conversations an address names is known only then.
void you.start().then(() => {
  navigation.start();
  knows = true;
  void past.look(Date.now());
});
