/** Level meter of both sides, measured on the waveform. */
import { TurnClock } from "./turnclock.js";

const EVERY_MS = 50;

class Ear {
  #node = null;
  #analyser = null;
  #samples = new Float32Array(1024);

  /** @param {AudioContext} context @param {MediaStreamTrack | null} track */
  listen(context, track) {
    this.#node?.disconnect();
    this.#node = null;
    this.#analyser = null;
    if (!track) return;
    this.#node = context.createMediaStreamSource(new MediaStream([track]));
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = this.#samples.length;
    this.#node.connect(this.#analyser);
  }

  /** @returns {number} root mean square, 0…1 */
  level() {
    if (!this.#analyser) return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    return Math.sqrt(sum / this.#samples.length);
  }
}

export class Meter {
  #context = null;
  #timer = 0;
  #mine = new Ear();
  #theirs = new Ear();
  #clock = new TurnClock();

  /** @param {{levels(mine: number, theirs: number): void, heard(): void, turn(ms: number): void}} listener */
  constructor(listener) {
    this.listener = listener;
  }

  microphone(/** @type {MediaStreamTrack | null} */ track) {
    this.#mine.listen(this.#open(), track);
  }

  voice(/** @type {MediaStreamTrack | null} */ track) {
    this.#theirs.listen(this.#open(), track);
  }

  /** A typed message counts as the end of the user's speech. */
  typed() {
    this.#clock.said(performance.now());
  }

  async close() {
    clearInterval(this.#timer);
    this.#timer = 0;
    const context = this.#context;
    this.#context = null;
    this.#clock = new TurnClock();
    this.listener.levels(0, 0);
    await context?.close();
  }

  /** Browsers start audio only after a click: a context created before stays suspended until `wake`. */
  async wake() {
    await this.#context?.resume();
  }

  #open() {
    if (!this.#context) {
      this.#context = new AudioContext();
      this.#timer = window.setInterval(() => this.#measure(), EVERY_MS);
    }
    return this.#context;
  }

  #measure() {
    const mine = this.#mine.level();
    const theirs = this.#theirs.level();
    if (!document.hidden) this.listener.levels(mine, theirs);
    const { heard, turn } = this.#clock.hear(mine, theirs, performance.now());
    if (heard) this.listener.heard();
    // Timers of a hidden tab run only once a second: times measured then are wrong.
    if (turn !== null && !document.hidden) this.listener.turn(turn);
  }
}
