/** What a browser keeps, in memory. */
export class FakeStorage {
  #rows = new Map();
  getItem = (key) => this.#rows.get(key) ?? null;
  setItem = (key, value) => void this.#rows.set(key, value);
  removeItem = (key) => void this.#rows.delete(key);
}
