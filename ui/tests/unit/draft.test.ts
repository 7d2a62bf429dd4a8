// @vitest-environment node
import { describe, expect, test } from 'vitest'
import * as draft from '../../src/lib/models/draft'
import type { Edit, Json } from '../../src/lib/models/draft'

const VALUE: Json = { a: { b: 1, list: ['x', 'y', 'z'] }, 'odd key': { c: [{ d: true }] }, secret: '‹kept:0›' }
const set = (path: string, value: Json): Edit => ({ edit: 'set', path, value })
const start = draft.emptyDraft('r1')

describe('paths', () => {
  test.each<[draft.Step[], string]>([
    [['models', 'providers', 'lmstudio', 'models', 0, 'id'], 'models.providers.lmstudio.models[0].id'],
    [['agents', 'defaults', 'models', 'anthropic/claude-opus-4-6', 'alias'], 'agents.defaults.models["anthropic/claude-opus-4-6"].alias'],
    [['with "quotes" and \\'], '["with \\"quotes\\" and \\\\"]'],
    [['9lives', 'x-y'], '["9lives"].x-y'],
    [[0, 1], '[0][1]'],
    [[''], '[""]'],
    [[], ''],
  ])('%j', (steps, text) => {
    expect(draft.path(...steps)).toBe(text)
    expect(draft.steps(text)).toEqual(steps)
  })

  test('what stands there', () => {
    expect(draft.at(VALUE, 'a.list[1]')).toBe('y')
    expect(draft.at(VALUE, '["odd key"].c[0].d')).toBe(true)
    expect(draft.at(VALUE, 'a.list[9]')).toBeUndefined()
    expect(draft.at(VALUE, 'a.b.c')).toBeUndefined()
    expect(draft.at(VALUE, 'toString')).toBeUndefined()
  })
})

describe('a change', () => {
  test('is made only where the same still stands', () => {
    const edits = [set('a.b', 2), set('new', 1), { edit: 'remove', path: 'a.list[0]' } as Edit, set('a.b', 3)]
    expect(draft.withEdits(start, 'L', edits, VALUE).changes).toEqual([
      {
        label: 'L',
        edits: [
          { edit: 'set', path: 'a.b', value: 2, expected: { value: 1 } },
          { edit: 'set', path: 'new', value: 1, expected: 'nothing' },
          { edit: 'remove', path: 'a.list[0]', expected: { value: 'x' } },
          { edit: 'set', path: 'a.b', value: 3, expected: { value: 2 } },
        ],
      },
    ])
  })

  test('does not depend on a masked secret, which is another one in the next revision', () => {
    expect(draft.withEdits(start, 'L', [set('secret', 'x')], VALUE).changes[0]).toEqual({ label: 'L', edits: [set('secret', 'x')] })
  })

  test('a move expects what it moves', () => {
    const move: Edit = { edit: 'move', path: 'a.list', entry: 2, position: { at: 0 } }
    expect(draft.withEdits(start, 'L', [move], VALUE).changes).toEqual([{ label: 'L', edits: [{ ...move, expected: { value: 'z' } }] }])
  })

  test('typing on in one field is one change, with what stood there first', () => {
    let typed = draft.withEdits(start, 'B', [set('a.b', 2)], VALUE)
    typed = draft.withEdits(typed, 'B', [set('a.b', 23)], { ...(VALUE as draft.JsonObject), a: { b: 2 } })
    expect(typed.changes).toEqual([{ label: 'B', edits: [{ edit: 'set', path: 'a.b', value: 23, expected: { value: 1 } }] }])
    typed = draft.withEdits(typed, 'B', [{ edit: 'remove', path: 'a.b' }], VALUE)
    expect(typed.changes).toEqual([{ label: 'B', edits: [{ edit: 'remove', path: 'a.b', expected: { value: 1 } }] }])
  })

  test('what comes back to what it was is no change', () => {
    const typed = draft.withEdits(start, 'B', [set('a.b', 2)], VALUE)
    expect(draft.withEdits(typed, 'B', [set('a.b', 1)], VALUE).changes).toEqual([])
    expect(draft.withEdits(start, 'B', [set('a.b', 1)], VALUE).changes).toEqual([])
    const added = draft.withEdits(start, 'N', [set('n', 2)], VALUE)
    expect(draft.withEdits(added, 'N', [{ edit: 'remove', path: 'n' }], { n: 2 }).changes).toEqual([])
  })

  test('another field, or another kind of edit, is another change', () => {
    const two = draft.withEdits(draft.withEdits(start, 'B', [set('a.b', 2)], VALUE), 'C', [set('c', 1)], VALUE)
    expect(two.changes).toHaveLength(2)
    expect(draft.withoutLast(two).changes.map((change) => change.label)).toEqual(['B'])
  })

  test('typing in the text is one change, and the old text again is none', () => {
    const one = draft.withText(start, 'T', '/f', '{a: 2', '{a: 1}')
    const two = draft.withText(one, 'T', '/f', '{a: 2}', '{a: 1}')
    expect(two.changes).toEqual([{ label: 'T', file: '/f', text: '{a: 2}' }])
    expect(draft.withText(two, 'T', '/f', '{a: 1}', '{a: 1}').changes).toEqual([])
    expect(draft.textFile(two)).toBe('/f')
    expect(draft.textFile(start)).toBeNull()
  })
})

describe('what the engine is asked with', () => {
  const edited = draft.withEdits(start, 'B', [set('a.b', 2)], VALUE)

  test('edits in their order', () => {
    const body = draft.bodyOf(draft.withEdits(edited, 'C', [set('c', 1)], VALUE))
    expect(body.revision).toBe('r1')
    expect(body.edits?.map((edit) => edit.path)).toEqual(['a.b', 'c'])
    expect(body).not.toHaveProperty('text')
  })

  test('a text holds what was changed before it, and edits after it come with it', () => {
    const typed = draft.withText(edited, 'T', '/f', '{a: {b: 2}}', '{}')
    expect(draft.bodyOf(typed)).toEqual({ revision: 'r1', file: '/f', text: '{a: {b: 2}}' })
    const both = draft.bodyOf(draft.withEdits(typed, 'C', [set('c', 1)], VALUE))
    expect(both.text).toBe('{a: {b: 2}}')
    expect(both.edits?.map((edit) => edit.path)).toEqual(['c'])
  })

  test('on another revision, and whatever stands there now', () => {
    const moved = draft.insisted(draft.rebased(edited, 'r2'))
    expect(draft.bodyOf(moved)).toEqual({ revision: 'r2', edits: [set('a.b', 2)] })
  })

  test('a line for the history', () => {
    const labelled = (labels: string[]) => draft.labelOf({ revision: '', changes: labels.map((label) => ({ label, edits: [] })) })
    expect(labelled(['A'])).toBe('A')
    expect(labelled(['A', 'B', 'A'])).toBe('A; B')
    expect(labelled(['A', 'B', 'C', 'D'])).toBe('D; C; and 2 more')
  })
})

describe('the value after edits', () => {
  test.each<[Edit, Json]>([
    [set('a.b', 2), { a: { b: 2, list: ['x', 'y'] } }],
    [set('new.deep[0]', 1), { a: { b: 1, list: ['x', 'y'] }, new: { deep: [1] } }],
    [{ edit: 'remove', path: 'a.list[0]' }, { a: { b: 1, list: ['y'] } }],
    [{ edit: 'remove', path: 'a.none' }, { a: { b: 1, list: ['x', 'y'] } }],
    [{ edit: 'rename', path: 'a.b', key: 'c' }, { a: { c: 1, list: ['x', 'y'] } }],
    [{ edit: 'insert', path: 'a.list', position: 'start', value: 'n' }, { a: { b: 1, list: ['n', 'x', 'y'] } }],
    [{ edit: 'insert', path: 'a.list', position: { after: 0 }, value: 'n' }, { a: { b: 1, list: ['x', 'n', 'y'] } }],
    [{ edit: 'insert', path: 'a.list', position: { at: 1 }, value: 'n' }, { a: { b: 1, list: ['x', 'n', 'y'] } }],
    [{ edit: 'insert', path: 'a', key: 'k', position: { before: 'b' }, value: 0 }, { a: { k: 0, b: 1, list: ['x', 'y'] } }],
    [{ edit: 'move', path: 'a.list', entry: 1, position: { at: 0 } }, { a: { b: 1, list: ['y', 'x'] } }],
    [{ edit: 'move', path: 'a.list', entry: 0, position: 'end' }, { a: { b: 1, list: ['y', 'x'] } }],
    [{ edit: 'move', path: 'a', entry: 'list', position: { before: 'b' } }, { a: { list: ['x', 'y'], b: 1 } }],
  ])('%j', (edit, expected) => {
    const before: Json = { a: { b: 1, list: ['x', 'y'] } }
    const after = draft.applied(before, [edit])
    expect(JSON.stringify(after)).toBe(JSON.stringify(expected))
    expect(before).toEqual({ a: { b: 1, list: ['x', 'y'] } })
  })
})
