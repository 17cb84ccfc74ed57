/** Texts of the page: each language has all that the page says, with the same places, and nothing more. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { LANGUAGES, decided, t } from "../../../static/selector/texts/text.js";

const ROOT = new URL("../../../static/", import.meta.url);
const MODULES = readdirSync(new URL("selector/", ROOT)).filter((name) => name.endsWith(".js"));

/** @returns {Set<string>} */
function said() {
  const found = new Set();
  for (const name of MODULES) {
    const code = readFileSync(new URL(`selector/${name}`, ROOT), "utf-8");
    for (const [, text] of code.matchAll(/\bt\(("(?:[^"\\]|\\.)*")/g)) found.add(JSON.parse(text));
  }
  const page = readFileSync(new URL("voice-agent-selector.html", ROOT), "utf-8");
  for (const [, text] of page.replace(/<script[\s\S]*?<\/script>/g, "").matchAll(/>([^<>]+)</g)) if (/[A-Za-z]/.test(text)) found.add(text.trim());
  for (const [, text] of page.matchAll(/(?:aria-label|placeholder|name="description" content)="([^"]+)"/g)) found.add(text);
  return found;
}

const places = (/** @type {string} */ text) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();

for (const code of Object.keys(LANGUAGES).filter((one) => one !== "en")) {
  const { texts } = LANGUAGES[code];
  test(`${code} has all that the page says, and nothing more`, () => {
    const wanted = said();
    assert.deepEqual([...wanted].filter((text) => !(text in texts)), [], "missing");
    assert.deepEqual(Object.keys(texts).filter((text) => !wanted.has(text)), [], "said nowhere");
  });
  test(`${code} keeps the places`, () => {
    for (const [english, text] of Object.entries(texts)) {
      assert.deepEqual(places(text), places(english), english);
      assert.ok(text.trim(), english);
    }
  });
}

test("all languages have the same keys", () => {
  assert.deepEqual(Object.keys(LANGUAGES.fr.texts), Object.keys(LANGUAGES.es.texts));
});

test("the choice decides, then the browser's languages, then English", () => {
  assert.equal(decided("fr", ["es"]), "fr");
  assert.equal(decided(null, ["de-DE", "es-MX", "fr"]), "es");
  assert.equal(decided("klingon", ["de"]), "en");
});

test("without a page the text is English, with its places filled", () => {
  assert.equal(t("{n} min ago", { n: 3 }), "3 min ago");
});
