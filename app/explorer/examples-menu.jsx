import { DocsIcon, ToolbarButton, ToolbarMenu, pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { useEffect, useRef } from 'react'
import { EXAMPLES } from './examples.js'
import { keyIn } from './key.js'

/** Opens an example in a tab of its own. */
export function ExamplesMenu() {
  const { addTab } = useGraphiQLActions()
  const { queryEditor } = useGraphiQL(pick('queryEditor'))
  useOneKey()
  const open = (example) => {
    addTab()
    queryEditor.setValue(example.text)
  }
  const button = (
    <ToolbarButton label="Examples">
      <DocsIcon className="graphiql-toolbar-icon" aria-hidden="true" />
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
