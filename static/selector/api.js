/** HTTP client of the control plane. Every failure is an `ApiError` with a code, a sentence and a remedy. */
import { t } from "./texts/text.js";

export class ApiError extends Error {
  /** @param {{code: string, message: string, remedy?: string, status?: number}} what */
  constructor({ code, message, remedy = "", status = 0 }) {
    super(message);
    this.code = code;
    this.remedy = remedy;
    this.status = status;
  }
}

/** Whether to try again automatically: no answer, or a temporary refusal. */
export function isTemporary(/** @type {unknown} */ error) {
  if (!(error instanceof ApiError)) return true;
  return error.status === 0 || error.status === 429 || error.status >= 500;
}

const DEADLINE_MS = 15_000;

/**
 * @param {string} path
 * @param {{method?: string, body?: unknown, secret?: string, headers?: Record<string, string>, deadline?: number, binary?: boolean}} [options] `binary`: the answer is a `Blob`
 */
export async function call(path, { method = "GET", body, secret, headers = {}, deadline = DEADLINE_MS, binary = false } = {}) {
  const all = /** @type {Record<string, string>} */ ({ accept: binary ? "*/*" : "application/json", ...headers });
  if (secret) all.authorization = `Bearer ${secret}`;
  if (body !== undefined) all["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: all,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal: AbortSignal.timeout(deadline),
    });
  } catch {
    throw new ApiError({ code: navigator.onLine ? "server_gone" : "offline", message: t("The server did not answer.") });
  }
  if (binary && response.ok) return { data: await response.blob(), etag: null };
  const data = parse(await response.text());
  if (!response.ok) {
    throw new ApiError({
      code: "internal",
      message: t("The server answered {status}.", { status: response.status }),
      ...(data?.error ?? {}),
      status: response.status,
    });
  }
  return { data, etag: response.headers.get("etag") };
}

function parse(/** @type {string} */ text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

/** @param {string} id */
const agentPath = (id) => `/agents/${encodeURIComponent(id)}`;
/** @param {string} id */
const sessionPath = (id) => `/session/${encodeURIComponent(id)}`;

/** Conversation of the person the secret belongs to. @param {string} id */
const conversationPath = (id) => `/people/me/conversations/${encodeURIComponent(id)}`;
/** Memory of the person the secret belongs to, of one assistant or of all. @param {string} agentId empty: all @param {string} [factId] */
const memoryPath = (agentId, factId) =>
  factId ? `/people/me/memory/${encodeURIComponent(factId)}` : `/people/me/memory${agentId ? `?agent_id=${encodeURIComponent(agentId)}` : ""}`;

/** @param {string | null} etag */
const ifMatch = (etag) => /** @type {Record<string, string>} */ (etag ? { "if-match": etag } : {});

export const api = {
  /** @param {string} [key] the browser's, by which the server knows what each assistant knows of this person */
  listAgents: async (key) => (await call("/agents", { secret: key })).data,
  voices: async () => (await call("/voices")).data,
  /** @param {string} id @returns {Promise<Blob>} */
  voicePreview: async (id) => (await call(`/voices/${encodeURIComponent(id)}/preview`, { binary: true, deadline: 30_000 })).data,
  /** @param {string} id @param {string} [secret] */
  getAgent: (id, secret) => call(agentPath(id), { secret }),
  /** Making its memory takes Letta a while on a busy machine. @param {unknown} body @param {string} secret @param {string} key of all attempts to create this one */
  createAgent: (body, secret, key) => call("/agents", { method: "POST", body, secret, headers: { "idempotency-key": key }, deadline: 65_000 }),
  /** @param {string} id @param {unknown} body @param {string | null} etag @param {string} [secret] */
  updateAgent: (id, body, etag, secret) => call(agentPath(id), { method: "PUT", body, headers: ifMatch(etag), secret }),
  /** @param {string} id @param {string | null} etag @param {string} secret @param {boolean} forget its memory in Letta, too */
  deleteAgent: (id, etag, secret, forget) => call(`${agentPath(id)}?memory=${forget ? "delete" : "keep"}`, { method: "DELETE", headers: ifMatch(etag), secret, deadline: 65_000 }),

  /** @param {Record<string, unknown>} body */
  openSession: async (body) => (await call("/session", { method: "POST", body })).data,
  /** @param {string} id @param {string} secret */
  sessionStatus: async (id, secret) => (await call(sessionPath(id), { secret })).data,
  /** The server waits up to 2 s for the assistant's reset; the deadline is longer. @param {string} id @param {string} secret */
  leave: async (id, secret) => (await call(`${sessionPath(id)}/leave`, { method: "POST", secret, deadline: 5_000 })).data,
  /** @param {string} id @param {string} secret */
  endSession: (id, secret) => call(sessionPath(id), { method: "DELETE", secret }),

  /** @param {{q: string, limit: number, before: number | null}} query @param {string} [secret] */
  conversations: async ({ q, limit, before }, secret) => {
    const query = new URLSearchParams({ limit: String(limit), ...(q && { q }), ...(before && { before: String(before) }) });
    return (await call(`/people/me/conversations?${query}`, { secret })).data;
  },
  /** @param {string} id @param {string} [secret] */
  conversation: async (id, secret) => (await call(conversationPath(id), { secret })).data,
  /** @param {string} id @param {string} [secret] */
  deleteConversation: (id, secret) => call(conversationPath(id), { method: "DELETE", secret }),

  /** @param {string} agentId empty: all @param {string} [secret] */
  memory: async (agentId, secret) => (await call(memoryPath(agentId), { secret })).data,
  /** Forgets one fact; without an id, all. @param {string} agentId @param {string | null} factId @param {string} [secret] */
  forget: (agentId, factId, secret) => call(memoryPath(agentId, factId ?? undefined), { method: "DELETE", secret }),
  /** @param {string} factId @param {string} text @param {string} [secret] */
  correct: (factId, text, secret) => call(memoryPath("", factId), { method: "PUT", body: { text }, secret }),
};
