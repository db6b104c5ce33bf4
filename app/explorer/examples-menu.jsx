import { ToolbarButton, ToolbarMenu, pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { parse } from 'graphql'
import { useEffect, useRef } from 'react'
import { EXAMPLES } from './examples.js'
import { BROUGHT, headersWith, keyIn } from './key.js'

/** Opens an example in a tab of its own; tells the key that a tab was given, by `onKey`. */
export function ExamplesMenu({ onKey }) {
  const { addTab, setOperationFacts, setOperationName } = useGraphiQLActions()
  const { queryEditor } = useGraphiQL(pick('queryEditor'))
  useOneKey(onKey)
  const open = (example) => {
    addTab()
    queryEditor.setValue(example.text)
    // GraphiQL reads the text a moment later, and until then would ask for the operation of the
    // tab before.
    const documentAST = parse(example.text)
    const operations = documentAST.definitions.filter((one) => one.kind === 'OperationDefinition')
    const operationName = operations[0].name.value
    setOperationFacts({ documentAST, operations, operationName })
    setOperationName(operationName)
  }
  const button = (
    <ToolbarButton label="Examples">
      <svg className="graphiql-toolbar-icon" viewBox="0 0 16 16" fill="none" aria-hidden="true">
        <path d="M1 3h2M6 3h9M1 8h2M6 8h9M1 13h2M6 13h9" stroke="currentColor" strokeWidth="1.5" />
      </svg>
    </ToolbarButton>
  )
  return (
    <ToolbarMenu button={button}>
      {EXAMPLES.map((example) => (
        <ToolbarMenu.Item key={example.title} onSelect={() => open(example)}>
          {example.title}
        </ToolbarMenu.Item>
      ))}
    </ToolbarMenu>
  )
}

/**
 * Each tab has headers of its own, but the key is typed once: a tab without one takes the last, and
 * the first tab takes the one that came with the address.
 */
function useOneKey(onKey) {
  const { headerEditor, tabs, activeTabIndex } = useGraphiQL(
    pick('headerEditor', 'tabs', 'activeTabIndex'),
  )
  const last = useRef(BROUGHT && headersWith(BROUGHT))
  useEffect(() => {
    const listening = headerEditor?.onDidChangeModelContent(({ isFlush }) => {
      const text = headerEditor.getValue()
      if (keyIn(text)) last.current = text
      // The history brings back headers without their key; a person may take the key away.
      else if (isFlush && last.current) headerEditor.setValue(last.current)
    })
    return () => listening?.dispose()
  }, [headerEditor])
  const tab = tabs[activeTabIndex]?.id
  useEffect(() => {
    if (headerEditor && last.current && !keyIn(headerEditor.getValue())) {
      headerEditor.setValue(last.current)
      // Whoever listens to the editor may not do so yet, when the page has just been opened.
      onKey(keyIn(last.current))
    }
  }, [headerEditor, tab, onKey])
}
