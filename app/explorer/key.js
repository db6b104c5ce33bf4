/** What the headers editor of a new tab holds. */
export const HEADERS = `{
  "Authorization": "Bearer "
}`

/** The key that the text of a headers editor holds, or ''. It is kept in this page's memory alone. */
export function keyIn(text) {
  return /"authorization"\s*:\s*"bearer +([^"\s]+)"/i.exec(text)?.[1] ?? ''
}
