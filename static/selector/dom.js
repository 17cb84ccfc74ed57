/** DOM helpers of the views. Text is always set as text: HTML in a name is shown, never run. */

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [props] `on…` are listeners, `testid` a test hook, `text` the content, the rest attributes
 * @param {...(Node | string | null | undefined | false)} children
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") element.textContent = String(value);
    else if (name === "testid") element.dataset.testid = String(value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(.../** @type {(Node | string)[]} */ (children.filter((child) => child !== null && child !== undefined && child !== false)));
  return element;
}

/** @param {string} id @returns {any} the element, which the page is known to have */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page has no element "${id}".`);
  return element;
}

/** Sets text only when it differs, so that screen readers do not repeat it. */
export function setText(/** @type {Element} */ element, /** @type {string} */ text) {
  if (element.textContent !== text) element.textContent = text;
}

/** An icon of the page's own sprite. */
export function icon(/** @type {string} */ name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Keeps a list element in step with data: elements are made once per key, updated in place, moved only when needed.
 * @template T
 * @param {Element} parent @param {T[]} items @param {(item: T) => string} key
 * @param {(item: T) => Element} make @param {(element: Element, item: T) => void} [update]
 */
export function keyed(parent, items, key, make, update) {
  for (const child of [...parent.children]) if (/** @type {HTMLElement} */ (child).dataset.key === undefined) child.remove();
  const existing = new Map([...parent.children].map((child) => [/** @type {HTMLElement} */ (child).dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let element = existing.get(name);
    if (element) existing.delete(name);
    else {
      element = make(item);
      /** @type {HTMLElement} */ (element).dataset.key = name;
    }
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
    update?.(element, item);
  }
  for (const element of existing.values()) element.remove();
}
