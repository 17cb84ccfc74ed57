/** Reconnect policy. Pure: no timers, no network. */

/** Seconds between attempts; after the last one the page gives up and shows a button. About three minutes in all. */
const BACK_OFF = [0, 1, 2, 4, 8, 15, 15, 15, 20, 20, 25, 30, 30];

/**
 * @param {number} attempt attempts already made @param {number} random 0…1, spreads the pages that lost the same server
 * @returns {number | null} milliseconds until the next attempt, null to give up
 */
export function nextDelay(attempt, random) {
  if (attempt >= BACK_OFF.length) return null;
  return BACK_OFF[attempt] * 1000 * (0.8 + 0.4 * random);
}

/** LiveKit's DisconnectReason → what the page does. It reconnects after all other reasons. */
const AFTER_DISCONNECT = Object.freeze({
  CLIENT_INITIATED: "ignore",
  DUPLICATE_IDENTITY: "displaced",
  PARTICIPANT_REMOVED: "removed",
});

/** @param {string} reason @returns {"ignore" | "displaced" | "removed" | "lost"} */
export function afterDisconnect(reason) {
  return AFTER_DISCONNECT[reason] ?? "lost";
}

/** Delays of LiveKit's own attempts; after the last one ours begin, with a new token. */
export const LIVEKIT_RETRIES_MS = [0, 300, 1000, 2000, 4000];

/** Interval of attempts while the browser reports no network. */
export const OFFLINE_CHECK_MS = 30_000;

/** A pause in a one-second clock longer than this means that the machine slept. */
export const SLEEP_GAP_MS = 15_000;

/** Validity of a token in seconds. It only has to last until the room is joined: LiveKit renews the tokens of
 * participants, and a reconnect requests a new one. */
export const TOKEN_TTL_S = 600;
