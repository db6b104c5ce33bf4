import 'graphiql/setup-workers/vite'
import 'graphiql/style.css'
import { createElement } from 'react'
import { createRoot } from 'react-dom/client'
import { GraphiQL } from 'graphiql'
import { createGraphiQLFetcher } from '@graphiql/toolkit'
const url = new URL('/graphql', location.href).href
const fetcher = createGraphiQLFetcher({ url })
createRoot(document.getElementById('explorer')).render(createElement(GraphiQL, { fetcher, defaultEditorToolsVisibility: 'headers' }))
