import { createGraphiQLFetcher } from '@graphiql/toolkit'
import { createClient } from 'graphql-ws'

/**
 * Sends queries and mutations with the headers that the editor holds, subscriptions with the key:
 * a WebSocket of a browser has no headers, its key goes into `connection_init`.
 */
export function fetcherFor(key) {
  const url = new URL('graphql', document.baseURI)
  const socket = new URL(url)
  socket.protocol = url.protocol.replace('http', 'ws')
  return createGraphiQLFetcher({
    url: url.href,
    enableIncrementalDelivery: false,
    wsClient: createClient({
      url: socket.href,
      connectionParams: { authorization: `Bearer ${key}` },
      lazy: true,
      retryAttempts: 0,
    }),
  })
}
