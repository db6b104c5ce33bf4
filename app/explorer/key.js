const OWN_MACHINE = ['127.0.0.1', 'localhost', '[::1]']

/**
 * The key of an address that ends in `#key=…`, as `bindery serve --demo` prints it, or ''. That part
 * of an address is sent to nobody, and it goes from sight, from bookmarks and from the way back.
 * Only a server of one's own machine takes it: a link that somebody sends could else have its reader
 * work in the sender's organization, and not know.
 */
function broughtKey() {
  if (!OWN_MACHINE.includes(location.hostname)) return ''
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
