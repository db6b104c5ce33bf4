import 'graphiql/setup-workers/vite'
import 'graphiql/style.css'
import './explorer.css'
import { GraphiQL } from 'graphiql'
import { StrictMode, useEffect, useMemo, useRef, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { EXAMPLES } from './examples.js'
import { ExamplesMenu } from './examples-menu.jsx'
import { fetcherFor } from './fetcher.js'
import { BROUGHT, headersWith, keyIn } from './key.js'
import { STORAGE } from './storage.js'

const FIRST = BROUGHT ? '' : '# Put your key behind "Bearer", in the headers below.\n'
const WELCOME = `${FIRST}# Press Ctrl+Enter. More: the menu of examples.

${EXAMPLES[0].text}`

// Whoever is still typing the key should not be told with each character that it is wrong.
const TYPED_MS = 400

function Explorer() {
  const [key, setKey] = useState('')
  const typing = useRef()
  useEffect(() => () => clearTimeout(typing.current), [])
  const onEditHeaders = useMemo(
    () => (text) => {
      clearTimeout(typing.current)
      typing.current = setTimeout(() => keyIn(text) && setKey(keyIn(text)), TYPED_MS)
    },
    [],
  )
  // A new fetcher makes GraphiQL ask for the schema again, and null is a schema that it does not
  // ask for: without a key the server would only refuse.
  const fetcher = useMemo(() => fetcherFor(key), [key])
  return (
    <GraphiQL
      fetcher={fetcher}
      schema={key ? undefined : null}
      defaultQuery={WELCOME}
      defaultHeaders={headersWith('')}
      defaultEditorToolsVisibility="headers"
      onEditHeaders={onEditHeaders}
      shouldPersistHeaders={false}
      storage={STORAGE}
    >
      <GraphiQL.Logo>Bindery</GraphiQL.Logo>
      <GraphiQL.Toolbar>
        {({ prettify, merge, copy }) => (
          <>
            {prettify}
            {merge}
            {copy}
            <ExamplesMenu onKey={setKey} />
          </>
        )}
      </GraphiQL.Toolbar>
    </GraphiQL>
  )
}

createRoot(document.getElementById('explorer')).render(
  <StrictMode>
    <Explorer />
  </StrictMode>,
)
