/** Places of the page and their addresses. Pure. The server answers each address with the page (web/pages.py). */

/**
 * @typedef {{name: "pick"} | {name: "talk", agent: string} | {name: "conversations"} | {name: "conversation", id: string}} Place
 */

/** @type {Place} */
export const HOME = Object.freeze({ name: "pick" });

/** @param {string} path @returns {Place} the first screen for an address that names nothing */
export function placeOf(path) {
  const [first, second, ...more] = path.split("/").filter(Boolean).map(decoded);
  if (more.length > 0) return HOME;
  if (first === "talk" && second) return { name: "talk", agent: second };
  if (first === "conversations") return second ? { name: "conversation", id: second } : { name: "conversations" };
  return HOME;
}

/** @param {any} place @returns {string} */
export function pathOf(place) {
  if (place.name === "talk") return `/talk/${encodeURIComponent(place.agent)}`;
  if (place.name === "conversation") return `/conversations/${encodeURIComponent(place.id)}`;
  return place.name === "conversations" ? "/conversations" : "/";
}

function decoded(/** @type {string} */ part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The assistant that an address names: by id, else by a name that one of them has. @param {any[]} agents @param {string} named */
export function assistantNamed(agents, named) {
  const same = agents.filter((one) => one.name.toLowerCase() === named.toLowerCase());
  return agents.find((one) => one.id === named) ?? (same.length === 1 ? same[0] : null);
}
