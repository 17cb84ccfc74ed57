/** Decisions about coming back. Pure: no timers, no network. */

/** Waits between attempts in seconds; past the last one the page gives up with a button. About three minutes in all. */
const BACK_OFF = [0, 1, 2, 4, 8, 15, 15, 15, 20, 20, 25, 30, 30];

/**
 * @param {number} attempt attempts already made @param {number} random 0…1, spreads many pages that lost one server
 * @returns {number | null} milliseconds until the next attempt, null to give up
 */
export function nextDelay(attempt, random) {
  if (attempt >= BACK_OFF.length) return null;
  return BACK_OFF[attempt] * 1000 * (0.8 + 0.4 * random);
}

/** Why LiveKit let us go (its DisconnectReason names) → what the page does. Everything else is worth coming back from. */
const AFTER_DISCONNECT = Object.freeze({
  CLIENT_INITIATED: "ignore",
  DUPLICATE_IDENTITY: "displaced",
  PARTICIPANT_REMOVED: "removed",
});

/** @param {string} reason @returns {"ignore" | "displaced" | "removed" | "lost"} */
export function afterDisconnect(reason) {
  return AFTER_DISCONNECT[reason] ?? "lost";
}

/** Time between LiveKit's own attempts; when they are used up ours begin, with a fresh token. */
export const LIVEKIT_RETRIES_MS = [0, 300, 1000, 2000, 4000];

/** While the browser says that there is no network, how often to try all the same. */
export const OFFLINE_CHECK_MS = 30_000;

/** A pause in a one-second clock longer than this means that the machine slept. */
export const SLEEP_GAP_MS = 15_000;

/** Seconds a token is valid. It only has to last until the room is joined: LiveKit renews that of who is in the room, and
 * whoever comes back asks for a new one. */
export const TOKEN_TTL_S = 600;
