/**
 * Captions: what was said, line by line. Pure.
 *
 * @typedef {{id: string, who: "me" | "assistant" | "other", name?: string, text: string, final: boolean,
 *   typed?: boolean, interrupted?: boolean, at: number}} Line
 */
import { t } from "./texts/text.js";

const KEEP = 400;
const SENTENCE_END = /[.!?…。！？"”)]\s*$/u;

/**
 * Applies a piece of a line: `text` replaces, `append` adds. A final line does not change.
 * @param {Line[]} lines
 * @param {{id: string, who: Line["who"], name?: string, text?: string, append?: string, final: boolean, at: number, typed?: boolean}} piece
 * @returns {Line[]}
 */
export function applyPiece(lines, piece) {
  const index = lines.findIndex((line) => line.id === piece.id && line.who === piece.who);
  if (index < 0) {
    const text = (piece.text ?? piece.append ?? "").trimStart();
    if (!text.trim()) return lines;
    const { id, who, name, final, at, typed } = piece;
    const earlier = who === "assistant" ? lines : markCutShort(lines);
    return [...earlier, { id, who, name, text, final, at, typed }].slice(-KEEP);
  }
  const before = lines[index];
  if (before.final) return lines;
  const text = piece.text ?? before.text + (piece.append ?? "");
  const line = { ...before, text: text || before.text, final: piece.final };
  if (line.final && line.who === "assistant" && cutShort(lines, index, line.text)) line.interrupted = true;
  return [...lines.slice(0, index), line, ...lines.slice(index + 1)];
}

/** Whether a line was interrupted: the text follows the audio, so it then ends in mid-sentence after another speaker began. */
function cutShort(/** @type {Line[]} */ lines, /** @type {number} */ index, /** @type {string} */ text) {
  return lines.slice(index + 1).some((later) => later.who !== "assistant") && !SENTENCE_END.test(text);
}

/** A person speaks: their line may come after the end of the answer that they interrupted. @param {Line[]} lines */
function markCutShort(lines) {
  const last = lines.at(-1);
  if (!last?.final || last.who !== "assistant" || SENTENCE_END.test(last.text)) return lines;
  return [...lines.slice(0, -1), { ...last, interrupted: true }];
}

/** Closes all lines after the connection ended: no more pieces arrive. @param {Line[]} lines */
export function closeLines(lines) {
  return lines.some((line) => !line.final) ? lines.map((line) => (line.final ? line : { ...line, final: true })) : lines;
}

/** @param {Line[]} lines @param {string} assistant @returns {string} a transcript as plain text */
export function transcript(lines, assistant) {
  const who = (/** @type {Line} */ line) => (line.who === "me" ? t("You") : line.who === "assistant" ? assistant : (line.name ?? t("Someone")));
  return lines
    .map((line) => `[${new Date(line.at).toISOString()}] ${who(line)}: ${line.text}${line.interrupted ? " — (interrupted)" : ""}`)
    .concat("")
    .join("\n");
}
