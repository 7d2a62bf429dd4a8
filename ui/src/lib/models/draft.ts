// A draft: what a person changed and did not save yet, as data against one revision of the file. Pure. It knows edits
// and JSON, and nothing of providers or models.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }
export type Step = string | number

export type Position = 'start' | 'end' | { before: Step } | { after: Step } | { at: number }
/** What must stand at a place for an edit to be made there; left out, anything may. */
export type Expected = 'anything' | 'nothing' | { value: Json }

/** One edit, in the form of the engine's own. Its path is in the whole configuration. */
export type Edit =
  | { edit: 'set'; path: string; value: Json; expected?: Expected }
  | { edit: 'insert'; path: string; key?: string; position: Position; value: Json; expected?: Expected }
  | { edit: 'remove'; path: string; expected?: Expected }
  | { edit: 'rename'; path: string; key: string; expected?: Expected }
  | { edit: 'move'; path: string; entry: Step; position: Position; expected?: Expected; anchor?: Expected }
  | { edit: 'swap'; path: string; other: string; expected?: Expected; expected_other?: Expected }

/** What a person did at once, in their words: by the form, or by typing in the text of a file. */
export type Change = { label: string; edits: Edit[] } | { label: string; file: string; text: string }

export interface Draft {
  /** The revision that the changes are made to. */
  revision: string
  changes: Change[]
}

/** A draft as the engine takes it: a whole text, edits, or a text and edits that are made to it after. */
export interface Body {
  revision: string
  edits?: Edit[]
  file?: string
  text?: string
}

/** How the engine writes a secret that it keeps to itself. */
const MASK = /‹kept:\d+›/

export function emptyDraft(revision: string): Draft {
  return { revision, changes: [] }
}

export function isText(change: Change): change is Extract<Change, { file: string }> {
  return 'file' in change
}

/** The file whose text was typed in, if any was. Only one can be until the draft is saved. */
export function textFile(draft: Draft): string | null {
  return draft.changes.findLast(isText)?.file ?? null
}

/**
 * The draft with these edits more. `value` is the configuration that they were thought of for: each edit is made only
 * where the same still stands. Typing on in one field is one change, and typing the old value again is none.
 */
export function withEdits(draft: Draft, label: string, edits: Edit[], value: Json): Draft {
  const guarded = against(edits, value)
  const last = draft.changes.at(-1)
  const only = guarded.length === 1 ? guarded[0] : undefined
  const before = last && !isText(last) && last.edits.length === 1 ? last.edits[0] : undefined
  if (only && before && isPut(only) && isPut(before) && only.path === before.path) {
    const expected = before.expected
    const changes = draft.changes.slice(0, -1)
    if (!comesBack(only, expected)) changes.push({ label, edits: [{ ...only, ...(expected && { expected }) }] })
    return { ...draft, changes }
  }
  if (only && isPut(only) && comesBack(only, only.expected)) return draft
  return { ...draft, changes: [...draft.changes, { label, edits: guarded }] }
}

/** The draft with a file's whole text typed in. `original` is the text before any typing: the same again is no change. */
export function withText(draft: Draft, label: string, file: string, text: string, original?: string): Draft {
  const last = draft.changes.at(-1)
  const changes = last && isText(last) && last.file === file ? draft.changes.slice(0, -1) : draft.changes
  if (changes.length === 0 && text === original) return { ...draft, changes }
  return { ...draft, changes: [...changes, { label, file, text }] }
}

/** The draft without its last change. */
export function withoutLast(draft: Draft): Draft {
  return { ...draft, changes: draft.changes.slice(0, -1) }
}

/** The same changes to another revision. */
export function rebased(draft: Draft, revision: string): Draft {
  return { ...draft, revision }
}

/** The same changes, whatever stands at their places now: for a person who has seen both and chose this. */
export function insisted(draft: Draft): Draft {
  const changes = draft.changes.map((change) =>
    isText(change) ? change : { ...change, edits: change.edits.map(withoutExpected) },
  )
  return { ...draft, changes }
}

/** What the engine is asked with. A text holds all that was changed before it. */
export function bodyOf(draft: Draft): Body {
  const at = draft.changes.findLastIndex(isText)
  const edits = draft.changes.slice(at + 1).flatMap((change) => (isText(change) ? [] : change.edits))
  const text = draft.changes[at]
  if (!text || !isText(text)) return { revision: draft.revision, edits }
  return { revision: draft.revision, file: text.file, text: text.text, ...(edits.length > 0 && { edits }) }
}

/** What was changed, in a line for the history: the newest first, each once. */
export function labelOf(draft: Draft): string {
  const labels = [...new Set(draft.changes.map((change) => change.label).reverse())]
  if (labels.length <= 2) return labels.join('; ')
  return `${labels.slice(0, 2).join('; ')}; and ${labels.length - 2} more`
}

/** A path as the engine reads it: `models.providers["my box"].models[0]`. */
export function path(...steps: Step[]): string {
  return steps
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`
      if (!/^[A-Za-z_$][\w$-]*$/.test(step)) return `[${JSON.stringify(step)}]`
      return index > 0 ? `.${step}` : step
    })
    .join('')
}

/** The steps of a path that {@link path} or the engine wrote. */
export function steps(text: string): Step[] {
  const found: Step[] = []
  for (const [, plain, index, quoted] of text.matchAll(/([^.[\]]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/g)) {
    if (plain !== undefined) found.push(plain)
    else if (index !== undefined) found.push(Number(index))
    else if (quoted !== undefined) found.push(JSON.parse(quoted) as string)
  }
  return found
}

/** What stands at a path; undefined where nothing does. */
export function at(value: Json, where: string | Step[]): Json | undefined {
  let here: Json | undefined = value
  for (const step of typeof where === 'string' ? steps(where) : where) {
    if (Array.isArray(here)) here = typeof step === 'number' ? here[step] : undefined
    else if (isObject(here) && Object.hasOwn(here, step)) here = here[step]
    else return undefined
  }
  return here
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a secret stands for itself anywhere in it. */
export function holdsMask(value: Json | undefined): boolean {
  return value !== undefined && MASK.test(JSON.stringify(value))
}

export function same(one: Json | undefined, other: Json | undefined): boolean {
  if (one === other) return true
  if (Array.isArray(one) && Array.isArray(other)) return one.length === other.length && one.every((item, index) => same(item, other[index]))
  if (!isObject(one) || !isObject(other)) return false
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length && keys.every((key) => Object.hasOwn(other, key) && same(one[key], other[key]))
}

/** The value after these edits: what is shown until the engine has answered with its own. */
export function applied(value: Json, edits: Edit[]): Json {
  return edits.reduce(apply, value)
}

function apply(value: Json, edit: Edit): Json {
  const where = steps(edit.path)
  switch (edit.edit) {
    case 'set':
      return changed(value, where, () => edit.value)
    case 'remove':
      return inContainer(value, where, (entries, step) => entries.filter(([key]) => key !== step))
    case 'rename':
      return inContainer(value, where, (entries, step) => entries.map(([key, item]) => [key === step ? edit.key : key, item]))
    case 'insert':
      return changed(value, where, (container) => {
        const entries = entriesOf(container ?? (edit.key === undefined ? [] : {}))
        const added: [Step, Json] = [edit.key ?? entries.length, edit.value]
        return rebuilt(container ?? (edit.key === undefined ? [] : {}), placed(entries, added, edit.position))
      })
    case 'move':
      return changed(value, where, (container) => {
        const entries = entriesOf(container ?? [])
        const moved = entries.find(([key], index) => key === edit.entry || (typeof edit.entry === 'number' && index === edit.entry))
        if (!moved) return container ?? []
        const anchor = anchorOf(edit.position, entries)
        const rest = entries.filter((entry) => entry !== moved)
        const position = typeof edit.position === 'object' && !('at' in edit.position) && anchor === moved ? 'end' : edit.position
        return rebuilt(container ?? [], placed(rest, moved, position))
      })
    case 'swap': {
      const [one, two] = [at(value, edit.path), at(value, edit.other)]
      if (one === undefined || two === undefined) return value
      return changed(changed(value, where, () => two), steps(edit.other), () => one)
    }
  }
}

type Entry = [Step, Json]

function entriesOf(container: Json): Entry[] {
  if (Array.isArray(container)) return container.map((item, index) => [index, item])
  return isObject(container) ? Object.entries(container) : []
}

function rebuilt(container: Json, entries: Entry[]): Json {
  if (Array.isArray(container)) return entries.map(([, item]) => item)
  return Object.fromEntries(entries.map(([key, item]) => [String(key), item]))
}

function anchorOf(position: Position, entries: Entry[]): Entry | undefined {
  if (typeof position === 'string') return undefined
  if ('at' in position) return entries[position.at]
  const step = 'before' in position ? position.before : position.after
  return entries.find(([key], index) => key === step || (typeof step === 'number' && index === step))
}

function placed(entries: Entry[], added: Entry, position: Position): Entry[] {
  const index = (() => {
    if (position === 'start') return 0
    if (position === 'end') return entries.length
    if ('at' in position) return Math.min(position.at, entries.length)
    const step = 'before' in position ? position.before : position.after
    const found = entries.findIndex(([key]) => key === step)
    if (found < 0) return entries.length
    return 'before' in position ? found : found + 1
  })()
  return [...entries.slice(0, index), added, ...entries.slice(index)]
}

function changed(value: Json | undefined, where: Step[], change: (found: Json | undefined) => Json): Json {
  const [step, ...rest] = where
  if (step === undefined) return change(value)
  if (typeof step === 'number') {
    const items = Array.isArray(value) ? [...value] : []
    items[step] = changed(items[step], rest, change)
    return items
  }
  const object = isObject(value) ? value : {}
  return { ...object, [step]: changed(Object.hasOwn(object, step) ? object[step] : undefined, rest, change) }
}

function inContainer(value: Json, where: Step[], change: (entries: Entry[], step: Step) => Entry[]): Json {
  const step = where.at(-1)
  const container = at(value, where.slice(0, -1))
  if (step === undefined || container === undefined) return value
  return changed(value, where.slice(0, -1), () => rebuilt(container, change(entriesOf(container), step)))
}

/** Each edit says what stands at its place after those before it. */
function against(edits: Edit[], value: Json): Edit[] {
  let now = value
  return edits.map((edit) => {
    const guarded = edit.expected === undefined ? { ...edit, ...guard(edit, now) } : edit
    now = apply(now, edit)
    return guarded
  })
}

function guard(edit: Edit, value: Json): { expected?: Expected; expected_other?: Expected } {
  if (edit.edit === 'insert') return {}
  const here = expectation(at(value, edit.edit === 'move' ? [...steps(edit.path), edit.entry] : edit.path))
  const other = edit.edit === 'swap' ? expectation(at(value, edit.other)) : undefined
  return { ...(here && { expected: here }), ...(other && { expected_other: other }) }
}

/** What is to stand there. A mask stands for another secret in another revision, so nothing may depend on it. */
function expectation(found: Json | undefined): Expected | undefined {
  if (holdsMask(found)) return undefined
  return found === undefined ? 'nothing' : { value: found }
}

type Put = Extract<Edit, { edit: 'set' | 'remove' }>

function isPut(edit: Edit): edit is Put {
  return edit.edit === 'set' || edit.edit === 'remove'
}

function comesBack(edit: Put, expected: Expected | undefined): boolean {
  if (edit.edit === 'remove') return expected === 'nothing'
  return typeof expected === 'object' && same(expected.value, edit.value)
}

function withoutExpected(edit: Edit): Edit {
  const { expected: _expected, ...rest } = edit
  if (rest.edit === 'swap') {
    const { expected_other: _other, ...swap } = rest
    return swap
  }
  if (rest.edit !== 'move') return rest
  const { anchor: _anchor, ...move } = rest
  return move
}
