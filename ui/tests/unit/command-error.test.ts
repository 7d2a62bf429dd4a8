import { expect, test } from 'vitest'
import { toCommandError } from '../../src/lib/backend/command-error'

test.each([
  [{ code: 'unknown-model', message: 'No such model.' }, 'unknown-model', 'No such model.'],
  [{ error: { type: 'forbidden', message: 'Not from there.' } }, 'forbidden', 'Not from there.'],
  [{ error: 'Not from there.' }, 'unknown', 'Not from there.'],
  ['command load_model not found', 'unknown', 'command load_model not found'],
  [new Error('broken'), 'unknown', 'broken'],
  [null, 'unknown', 'It did not work, and no reason was given.'],
  [{}, 'unknown', 'It did not work, and no reason was given.'],
])('%j', (thrown, code, message) => {
  expect(toCommandError(thrown)).toMatchObject({ code, message })
})
