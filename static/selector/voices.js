/**
 * Order of the voices in the list. Pure.
 *
 * @typedef {{id: string, name: string, language: string, preview: boolean}} Voice
 * @typedef {{voices: Voice[], complete: boolean, default: string}} Listed
 */

/**
 * Voices by language, in the order in which the languages come first; those of no language last, under an empty name.
 * @param {Voice[]} voices @param {string} reader language of the page @returns {{language: string, members: Voice[]}[]}
 */
export function voiceGroups(voices, reader) {
  const groups = new Map();
  for (const voice of voices) groups.set(voice.language, [...(groups.get(voice.language) ?? []), voice]);
  const named = [...groups].map(([language, members]) => ({ language: languageName(language, reader), members }));
  return [...named.filter(({ language }) => language), ...named.filter(({ language }) => !language)];
}

/** @param {string} tag @param {string} reader */
function languageName(tag, reader) {
  if (!tag) return "";
  try {
    return new Intl.DisplayNames([reader], { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}
