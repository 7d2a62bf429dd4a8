// Makes one error of the shapes in which a refusal can arrive.
import { CommandError } from './backend'

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/**
 * Reads `{code, message}`, or the same inside `error` (which is how the gateway answers before a request reaches the
 * engine), or a plain text, or an `Error`.
 */
export function toCommandError(thrown: unknown, code = 'unknown', message = 'It did not work, and no reason was given.'): CommandError {
  if (thrown instanceof CommandError) return thrown
  if (thrown instanceof Error) return new CommandError(code, thrown.message)
  if (text(thrown)) return new CommandError(code, String(thrown))
  if (typeof thrown !== 'object' || thrown === null) return new CommandError(code, message)
  const outer = thrown as Record<string, unknown>
  const inner = typeof outer.error === 'object' && outer.error !== null ? (outer.error as Record<string, unknown>) : outer
  return new CommandError(
    text(inner.code) ?? text(inner.type) ?? code,
    text(inner.message) ?? text(outer.error) ?? message,
    inner.details ?? outer.details,
  )
}
