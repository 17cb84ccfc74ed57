/** Filter and order of the list of assistants. Pure. */

/** @param {any[]} items @param {string} query @param {string[]} lastUsed @returns {any[]} matching assistants, last used first */
export function arrange(items, query, lastUsed) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (/** @type {any} */ one) => [one.name, one.description, one.model, one.role, one.id, ...(one.tags ?? [])].join(" ").toLowerCase();
  const age = (/** @type {any} */ one) => (lastUsed.indexOf(one.id) + 1 || Infinity);
  return items
    .filter((one) => words.every((word) => text(one).includes(word)))
    .sort((a, b) => (age(a) === age(b) ? 0 : age(a) - age(b)));
}
