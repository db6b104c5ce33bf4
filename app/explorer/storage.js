const KEYS = /bky_[\w-]+/g

/**
 * What GraphiQL keeps in the browser for the next visit, without keys: its history has the headers of
 * every operation that was run.
 */
export const STORAGE = {
  getItem: (name) => localStorage.getItem(name),
  setItem: (name, text) => localStorage.setItem(name, text.replaceAll(KEYS, '')),
  removeItem: (name) => localStorage.removeItem(name),
  clear: () => localStorage.clear(),
  get length() {
    return localStorage.length
  },
}
