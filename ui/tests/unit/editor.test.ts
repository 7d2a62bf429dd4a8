// The draft's life: what is asked of the engine and when, what a person sees meanwhile, and what is never lost.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CommandError } from '../../src/lib/backend/backend'
import { at, type Body, type Edit } from '../../src/lib/models/draft'
import { Editor } from '../../src/lib/models/editor.svelte'
import { ConfigDouble, PATH, VALUE } from '../fixtures/configuration'

const MODE: Edit = { edit: 'set', path: 'models.mode', value: 'replace' }
const PRIMARY: Edit = { edit: 'set', path: 'agents.defaults.model.primary', value: 'anthropic/claude-opus-4-6' }

let config: ConfigDouble
let editor: Editor

const settle = () => vi.advanceTimersByTimeAsync(1_000)
const asked = (name: string) => config.asked.filter(([one]) => one === name)

beforeEach(async () => {
  vi.useFakeTimers()
  config = new ConfigDouble()
  editor = new Editor(config)
  await editor.load()
})
afterEach(() => vi.useRealTimers())

describe('a preview', () => {
  test('is asked for once a person rests; the form shows the change at once', async () => {
    editor.edit('Mode', [MODE])
    expect(at(editor.value, 'models.mode')).toBe('replace')
    expect(editor.previewing).toBe(true)
    await vi.advanceTimersByTimeAsync(100)
    editor.edit('Primary', [PRIMARY])
    await vi.advanceTimersByTimeAsync(100)
    expect(asked('preview')).toHaveLength(0)
    await settle()
    expect(asked('preview')).toHaveLength(1)
    expect((asked('preview')[0]?.[1] as Body).edits).toHaveLength(2)
    expect(editor.preview?.diff).toContain('+    mode: "replace"')
    expect(editor.previewing).toBe(false)
  })

  test('that comes late, after another change, is not shown', async () => {
    let answer = () => {}
    const real = config.configPreview.bind(config)
    vi.spyOn(config, 'configPreview').mockImplementationOnce(async (draft) => {
      const preview = await real(draft)
      await new Promise<void>((resolve) => (answer = resolve))
      return preview
    })
    editor.edit('Mode', [MODE])
    await settle()
    editor.edit('Primary', [PRIMARY])
    await settle()
    answer()
    await settle()
    expect(at(editor.value, 'agents.defaults.model.primary')).toBe('anthropic/claude-opus-4-6')
    expect(editor.preview?.diff).toContain('claude-opus-4-6')
  })

  test('that is refused says why, until the change is undone', async () => {
    config.failNext = { name: 'preview', error: new CommandError('duplicate-key', 'It stands there twice.') }
    editor.edit('Mode', [MODE])
    await settle()
    expect(editor.refused?.message).toBe('It stands there twice.')
    expect(await editor.review()).toBeNull()
    await editor.undo()
    expect(editor.refused).toBeNull()
    expect(at(editor.value, 'models.mode')).toBe('merge')
  })

  test('to save is the newest one, however fast a person is', async () => {
    editor.edit('Mode', [MODE])
    expect((await editor.review())?.diff).toContain('replace')
  })
})

describe('typing in the text', () => {
  test('shows in the form once it can be read, and the last good form until then', async () => {
    const text = config.text.replace('mode: "merge"', 'mode: "replace"')
    editor.type(PATH, text.replace('mode:', 'mode'))
    expect(editor.files[0]?.text).toContain('mode "replace"')
    await settle()
    expect(editor.unreadable).toBe(true)
    expect(at(editor.value, 'models.mode')).toBe('merge')
    editor.type(PATH, text)
    await settle()
    expect(editor.unreadable).toBe(false)
    expect(at(editor.value, 'models.mode')).toBe('replace')
    expect(editor.draft.changes).toHaveLength(1)
  })

  test('an edit by the form goes on top', async () => {
    editor.type(PATH, config.text.replace('alias: "Opus"', 'alias: "Claude"'))
    await settle()
    editor.edit('Mode', [MODE])
    await settle()
    expect(asked('preview').at(-1)?.[1]).toMatchObject({ file: PATH, edits: [{ path: 'models.mode' }] })
    expect(editor.preview?.files[0]?.text).toMatch(/Claude[^]*mode: "replace"/)
    expect(editor.draft.changes).toHaveLength(2)
    expect(editor.refused).toBeNull()
  })

  test('back to what it was leaves no draft', async () => {
    const text = (await config.config()).files[0]!.text
    editor.type(PATH, `${text} `)
    await settle()
    editor.type(PATH, text)
    await settle()
    expect([editor.changed, editor.preview]).toEqual([false, null])
  })
})

describe('saving', () => {
  test('writes the draft with a label, and begins a new one on the new revision', async () => {
    editor.edit('Mode', [MODE])
    expect(await editor.save()).toBe(true)
    expect(asked('save')[0]?.[1]).toMatchObject({ label: 'Mode', revision: 'r1' })
    expect(editor.changed).toBe(false)
    expect(editor.document?.revision).toBe('r2')
    expect(editor.draft.revision).toBe('r2')
    expect(at(editor.value, 'models.mode')).toBe('replace')
  })

  test('that fails keeps the draft', async () => {
    editor.edit('Mode', [MODE])
    config.failNext = { name: 'save', error: new CommandError('io', 'The disk is full.') }
    expect(await editor.save()).toBe(false)
    expect(editor.refused?.message).toBe('The disk is full.')
    expect(editor.changed).toBe(true)
    expect(editor.busy).toBeNull()
  })

  test('twice at once is once', async () => {
    editor.edit('Mode', [MODE])
    await Promise.all([editor.save(), editor.save()])
    expect(asked('save')).toHaveLength(1)
  })
})

describe('undo and redo', () => {
  test('go through the draft, and a new change ends what could be redone', async () => {
    editor.edit('Mode', [MODE])
    editor.edit('Primary', [PRIMARY])
    expect(editor.undoWords).toBe('Undo: Primary')
    await editor.undo()
    expect(at(editor.value, 'agents.defaults.model.primary')).toBe('lmstudio/minimax-m2.1-gs32')
    expect(at(editor.value, 'models.mode')).toBe('replace')
    expect(editor.redoWords).toBe('Redo: Primary')
    await editor.redo()
    expect(at(editor.value, 'agents.defaults.model.primary')).toBe('anthropic/claude-opus-4-6')
    await editor.undo()
    editor.edit('Other', [{ edit: 'set', path: 'models.mode', value: 'merge' }])
    expect(editor.canRedo).toBe(false)
  })

  test('then through what was saved', async () => {
    expect(editor.canUndo).toBe(false)
    editor.edit('Mode', [MODE])
    await editor.save()
    expect(editor.undoWords).toBe('Undo the last save')
    await editor.undo()
    expect(at(config.value, 'models.mode')).toBe('merge')
    expect(at(editor.value, 'models.mode')).toBe('merge')
    await editor.redo()
    expect(at(config.value, 'models.mode')).toBe('replace')
  })
})

describe('the file changes underneath', () => {
  const elsewhere = (primary: string) =>
    config.writeElsewhere((value) => ({ ...(value as object), agents: { defaults: { model: { primary } } } }))

  test('a revision that is ours already is not read again', async () => {
    editor.see('r1')
    editor.see('r1')
    await settle()
    expect(asked('config')).toHaveLength(1)
  })

  test('without a draft it is shown', async () => {
    editor.see('r1')
    elsewhere('a/b')
    editor.see('r2')
    await settle()
    expect(at(editor.value, 'agents.defaults.model.primary')).toBe('a/b')
    expect(editor.note).toBeNull()
  })

  test('a draft elsewhere in it is made again on the new text', async () => {
    editor.see('r1')
    editor.edit('Mode', [MODE])
    await settle()
    elsewhere('a/b')
    editor.see('r2')
    await settle()
    expect(editor.conflict).toBeNull()
    expect(editor.note?.more).toContain('on top of it')
    expect((asked('preview').at(-1)?.[1] as Body).revision).toBe('r2')
    expect(at(editor.value, 'agents.defaults.model.primary')).toBe('a/b')
    expect(at(editor.value, 'models.mode')).toBe('replace')
  })

  test('a draft in the same place is a conflict, and neither side is lost', async () => {
    editor.see('r1')
    editor.edit('Primary', [PRIMARY])
    await settle()
    elsewhere('a/b')
    editor.see('r2')
    await settle()
    expect(editor.conflict?.files[0]?.theirs).toContain('a/b')
    expect(editor.conflict?.files[0]?.ours).toContain('claude-opus-4-6')
    expect(asked('save')).toEqual([])
    await editor.keepOurs()
    await settle()
    expect(editor.conflict).toBeNull()
    expect(at(editor.value, 'agents.defaults.model.primary')).toBe('anthropic/claude-opus-4-6')
    expect(at(config.value, 'agents.defaults.model.primary')).toBe('a/b')
  })

  test('a conflict before the first preview shows both sides too', async () => {
    editor.see('r1')
    editor.edit('Primary', [PRIMARY])
    elsewhere('a/b')
    editor.see('r2')
    await settle()
    expect(editor.conflict?.files[0]?.theirs).toContain('a/b')
    expect(editor.conflict?.files[0]?.ours).toContain('claude-opus-4-6')
  })

  test('what cannot be made on the new text is refused, and nothing says that it was made', async () => {
    editor.see('r1')
    editor.edit('Primary', [PRIMARY])
    elsewhere('a/b')
    editor.see('r2')
    await settle()
    config.failNext = { name: 'preview', error: new CommandError('edit', 'there is no agents.defaults.model.fallbacks[0]') }
    await editor.keepOurs()
    await settle()
    expect(editor.refused?.code).toBe('edit')
    expect(editor.note).toBeNull()
  })

  test('theirs can be taken', async () => {
    editor.see('r1')
    editor.edit('Primary', [PRIMARY])
    await settle()
    elsewhere('a/b')
    editor.see('r2')
    await settle()
    editor.takeTheirs()
    expect([editor.changed, editor.conflict]).toEqual([false, null])
    expect(at(editor.value, 'agents.defaults.model.primary')).toBe('a/b')
  })

  test('what was typed is never thrown away', async () => {
    editor.see('r1')
    editor.type(PATH, config.text.replace('mode: "merge"', 'mode: "replace"'))
    await settle()
    elsewhere('a/b')
    editor.see('r2')
    await settle()
    expect(editor.conflict?.files[0]?.ours).toContain('mode: "replace"')
    await editor.keepOurs()
    await settle()
    expect(editor.files[0]?.text).toContain('mode: "replace"')
    expect(editor.draft.revision).toBe('r2')
  })

  test('a change seen while the engine did not answer is read once it does', async () => {
    config.failNext = { name: 'config', error: new CommandError('unreachable', 'It does not answer.') }
    await editor.load()
    expect(editor.unread?.message).toBe('It does not answer.')
    expect(editor.value).not.toBeNull()
    await editor.load()
    expect(editor.unread).toBeNull()
  })
})

test('a key that is kept: what a person should know of it is said, and the file is read again', async () => {
  config.keyNotes = ['Restart OpenClaw to let it read the key.', 'backups still hold it']
  await editor.keepKey({ provider: 'openrouter', place: 'keychain', value: 'k' })
  expect(editor.note).toEqual({ title: 'The key is kept', more: 'Restart OpenClaw to let it read the key. Backups still hold it.' })
  expect(editor.document?.revision).toBe('r2')
})

test('a read-only configuration takes no change', async () => {
  config.readOnly = true
  await editor.load()
  editor.edit('Mode', [MODE])
  editor.type(PATH, '{}')
  expect(editor.changed).toBe(false)
})

test('no secret is in what the page has', () => {
  expect(JSON.stringify(VALUE)).toContain('sk-secret')
  expect(JSON.stringify([editor.document, editor.value])).not.toContain('sk-secret')
})
