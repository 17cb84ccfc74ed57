/** HTTP client for the person who uses the page: name, key, export, deletion, sign-in. */
import { ApiError, call } from "./api.js";
import { t } from "./texts/text.js";

const ME = "/people/me";
/** The server waits 20 s for the whole deletion. */
const DELETION_MS = 40_000;

/** @typedef {{person_id: string, kind: string, user_name: string, has_key: boolean, deletion_pending: boolean}} Profile */

export const peopleApi = {
  /** Whether one can sign in here, and who is signed in. @returns {Promise<{available: boolean, person: Profile | null}>} */
  signIn: async () => (await call("/sign-in")).data,
  signOut: () => call("/sign-out", { method: "POST" }),

  /** @returns {Promise<{person_id: string, key: string}>} */
  create: async () => (await call("/people", { method: "POST" })).data,
  /** @param {string} [secret] @returns {Promise<Profile>} */
  read: async (secret) => (await call(ME, { secret })).data,
  /** @param {string} name @param {string} [secret] @returns {Promise<Profile>} */
  rename: async (name, secret) => (await call(ME, { method: "PUT", body: { user_name: name }, secret })).data,
  /** @param {string} secret */
  revoke: (secret) => call(`${ME}/key`, { method: "DELETE", secret }),
  /** @param {string} [secret] */
  remove: async (secret) => (await call(ME, { method: "DELETE", secret, deadline: DELETION_MS })).data,

  /** Saves the export as a file. @param {"json" | "text"} format @param {string} [secret] */
  async save(format, secret) {
    const headers = /** @type {Record<string, string>} */ (secret ? { authorization: `Bearer ${secret}` } : {});
    const answer = await fetch(`${ME}/export?format=${format}`, { headers, cache: "no-store" }).catch(() => null);
    if (!answer?.ok) throw new ApiError({ code: "server_gone", message: t("The export could not be made."), status: answer?.status });
    const url = URL.createObjectURL(await answer.blob());
    const link = document.createElement("a");
    link.href = url;
    link.download = `voice-agent-export.${format === "text" ? "txt" : "json"}`;
    link.click();
    URL.revokeObjectURL(url);
  },
};
