import { ToolbarButton, ToolbarMenu, pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { parse } from 'graphql'
import { useEffect, useRef } from 'react'
import { EXAMPLES } from './examples.js'
import { keyIn } from './key.js'

/** Opens an example in a tab of its own. */
export function ExamplesMenu() {
  const { addTab, setOperationFacts, setOperationName } = useGraphiQLActions()
  const { queryEditor } = useGraphiQL(pick('queryEditor'))
  useOneKey()
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

/** Each tab has headers of its own, but the key is typed once: a tab without one takes the last. */
function useOneKey() {
  const { headerEditor, tabs, activeTabIndex } = useGraphiQL(
    pick('headerEditor', 'tabs', 'activeTabIndex'),
  )
  const last = useRef('')
  useEffect(() => {
    const listening = headerEditor?.onDidChangeModelContent(() => {
      const text = headerEditor.getValue()
      if (keyIn(text)) last.current = text
    })
    return () => listening?.dispose()
  }, [headerEditor])
  const tab = tabs[activeTabIndex]?.id
  useEffect(() => {
    if (headerEditor && last.current && !keyIn(headerEditor.getValue())) {
      headerEditor.setValue(last.current)
    }
  }, [headerEditor, tab])
}
