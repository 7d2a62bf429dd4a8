// JSON5 for the text's colours: a tolerant tokenizer, for a text is mostly looked at while it is being changed.
import { HighlightStyle, StreamLanguage, syntaxHighlighting, type StringStream } from '@codemirror/language'
import { tags } from '@lezer/highlight'

interface State {
  /** Inside a block comment, or a string that goes on in the next line. */
  within: '*' | '"' | "'" | null
  /** Whether a key can come next. */
  key: boolean
  /** The brackets that are open. */
  open: string[]
}

function restOfString(stream: StringStream, state: State, quote: '"' | "'"): void {
  state.within = null
  for (let next = stream.next(); next !== undefined; next = stream.next()) {
    if (next === '\\') {
      if (stream.next() === undefined) state.within = quote
    } else if (next === quote) return
  }
}

function restOfComment(stream: StringStream, state: State): void {
  state.within = stream.match(/^.*?\*\//) ? null : '*'
  if (state.within) stream.skipToEnd()
}

function token(stream: StringStream, state: State): string | null {
  if (state.within === '*') {
    restOfComment(stream, state)
    return 'comment'
  }
  if (state.within !== null) {
    restOfString(stream, state, state.within)
    return 'string'
  }
  if (stream.eatSpace()) return null
  if (stream.match('//')) {
    stream.skipToEnd()
    return 'comment'
  }
  if (stream.match('/*')) {
    restOfComment(stream, state)
    return 'comment'
  }
  const isKey = state.key && state.open.at(-1) === '{'
  const next = stream.peek()
  if (next === '"' || next === "'") {
    stream.next()
    restOfString(stream, state, next)
    if (isKey && state.within === null && stream.match(/^\s*:/, false)) return 'propertyName'
    return 'string'
  }
  if (stream.match(/^[{}[\],:]/)) {
    const mark = stream.current()
    if (mark === '{' || mark === '[') state.open.push(mark)
    if (mark === '}' || mark === ']') state.open.pop()
    state.key = mark === '{' || mark === ','
    return 'punctuation'
  }
  if (stream.match(/^[+-]?(0[xX][\da-fA-F]+|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|Infinity|NaN)/)) return 'number'
  if (stream.match(/^[\p{L}_$][\p{L}\p{N}_$]*/u)) {
    if (isKey && stream.match(/^\s*:/, false)) return 'propertyName'
    return /^(true|false|null)$/.test(stream.current()) ? 'bool' : 'invalid'
  }
  stream.next()
  return 'invalid'
}

const language = StreamLanguage.define<State>({
  name: 'json5',
  startState: () => ({ within: null, key: true, open: [] }),
  copyState: (state) => ({ ...state, open: [...state.open] }),
  token,
  indent: (state, after, context) => Math.max(0, state.open.length - (/^\s*[}\]]/.test(after) ? 1 : 0)) * context.unit,
  languageData: { commentTokens: { line: '//', block: { open: '/*', close: '*/' } }, closeBrackets: { brackets: ['{', '[', '"'] } },
})

const colours = HighlightStyle.define([
  { tag: tags.comment, class: 'json5-comment' },
  { tag: tags.propertyName, class: 'json5-key' },
  { tag: tags.string, class: 'json5-string' },
  { tag: [tags.number, tags.bool], class: 'json5-atom' },
  { tag: tags.punctuation, class: 'json5-mark' },
  { tag: tags.invalid, class: 'json5-invalid' },
])

export const json5 = [language, syntaxHighlighting(colours)]
