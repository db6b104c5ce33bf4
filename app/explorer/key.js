/**
 * The key of an address that ends in `#key=…`, as `bindery serve --demo` prints it, or ''. That part
 * of an address is sent to nobody, and it goes from sight, from bookmarks and from the way back.
 */
function broughtKey() {
  const key = /^#key=(bky_[\w-]+)$/.exec(location.hash)?.[1] ?? ''
  if (key) history.replaceState(null, '', location.pathname + location.search)
  return key
}

/** The key that came with the address, or ''. */
export const BROUGHT = broughtKey()

/** The text of a headers editor with a key, or with room for one. */
export const headersWith = (key) => `{
  "Authorization": "Bearer ${key}"
}`

/** The key that the text of a headers editor holds, or ''. It is kept in this page's memory alone. */
export function keyIn(text) {
  return /"authorization"\s*:\s*"bearer +([^"\s]+)"/i.exec(text)?.[1] ?? ''
}
