/** Latency from the end of the user's speech to the first sound of the answer. Pure: fed with levels and times. */

const VOICE = 0.015;
const ANSWER = 0.006;
const STEADY = 3;
const PAUSE_MS = 300;
const TOO_LONG_MS = 30_000;

export class TurnClock {
  #loud = 0;
  #saidAt = /** @type {number | null} */ (null);
  #answerHeardAt = -Infinity;

  /** @param {number} at milliseconds */
  said(at) {
    this.#saidAt = at;
  }

  /**
   * @param {number} mine @param {number} theirs levels 0…1 @param {number} at milliseconds
   * @returns {{heard: boolean, turn: number | null}}
   */
  hear(mine, theirs, at) {
    const answering = theirs > ANSWER;
    const begins = answering && at - this.#answerHeardAt > PAUSE_MS;
    if (answering) this.#answerHeardAt = at;
    this.#loud = mine > VOICE ? this.#loud + 1 : 0;
    const heard = this.#loud >= STEADY;
    // While the answer plays, the microphone may pick up the loudspeaker.
    if (heard && !answering) this.#saidAt = at;
    if (!begins || this.#saidAt === null) return { heard, turn: null };
    const turn = at - this.#saidAt;
    this.#saidAt = null;
    return { heard, turn: turn < TOO_LONG_MS ? turn : null };
  }
}
