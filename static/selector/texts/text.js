/**
 * Texts of the page in the reader's language. English is written in the code and is the key of the other languages'
 * tables, one module for each; a test compares them with the code. The language is decided once, when the page loads.
 */
import { SPANISH } from "./es.js";
import { FRENCH } from "./fr.js";

/** @type {Record<string, {name: string, texts: Record<string, string>}>} */
export const LANGUAGES = {
  en: { name: "English", texts: {} },
  es: { name: "Español", texts: SPANISH },
  fr: { name: "Français", texts: FRENCH },
};

/** @param {string | null | undefined} chosen @param {readonly string[]} preferred of the browser, the best first */
export function decided(chosen, preferred) {
  const codes = [chosen ?? "", ...preferred].map((tag) => tag.toLowerCase().split("-")[0]);
  return codes.find((code) => code in LANGUAGES) ?? "en";
}

const KEY = "voice-agent.language";

function chosen() {
  try {
    return globalThis.localStorage?.getItem(KEY);
  } catch {
    return null; // a browser may refuse storage
  }
}

export const language = decided(chosen(), "document" in globalThis ? (globalThis.navigator?.languages ?? []) : []);

/** @param {string} english @param {Record<string, unknown>} [places] values of its `{places}` @returns {string} */
export function t(english, places = {}) {
  const text = LANGUAGES[language].texts[english] ?? english;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in places ? String(places[name]) : whole));
}

const ATTRIBUTES = ["aria-label", "placeholder", "content"];

/** Translates what the HTML file itself holds. @param {Document} page */
export function translate(page) {
  page.documentElement.lang = language;
  const walker = page.createTreeWalker(page.documentElement, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.nodeValue?.trim() ?? "";
    if (text && node.nodeValue) node.nodeValue = node.nodeValue.replace(text, () => t(text));
  }
  for (const name of ATTRIBUTES) {
    for (const element of page.querySelectorAll(`[${name}]`)) element.setAttribute(name, t(element.getAttribute(name) ?? ""));
  }
}

/** Takes effect when the page is loaded again. @param {string} code */
export function choose(code) {
  try {
    globalThis.localStorage?.setItem(KEY, code);
  } catch (error) {
    console.warn("The browser does not let the page remember:", error);
  }
}
