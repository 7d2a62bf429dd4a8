// What the Connect page says.
import type { ToolState } from '../bindings/ToolState'
import type { ToolView } from '../bindings/ToolView'
import type { Verification } from '../bindings/Verification'

const STATES: Record<ToolState, string> = {
  absent: 'not found',
  apart: 'not connected',
  connected: 'connected',
  outdated: 'out of date',
}

export function stateOf(tool: ToolView): string {
  return STATES[tool.state]
}

/** What its main button does; null where there is nothing to do. */
export function actionOf(tool: ToolView): string | null {
  if (tool.state === 'connected') return null
  return tool.state === 'outdated' ? 'Connect again' : 'Connect'
}

export function resultOf(verified: Verification): string {
  if (!verified.ok) return `It does not work yet: ${verified.message ?? 'there was no answer'}`
  const seconds = (verified.milliseconds / 1000).toFixed(1)
  return `It works: ${verified.model ?? 'a model'} answered in ${seconds} s.`
}
