// Places in a text: where a line and a column are, where two texts differ, where a kept key stands. Pure.

export interface Range {
  from: number
  to: number
}

/** The offsets of what begins at a line and a column (in characters, both counted from 1), to the end of that word. */
export function place(text: string, line: number, column: number): Range {
  let start = 0
  for (let number = 1; number < line; number += 1) {
    const end = text.indexOf('\n', start)
    if (end < 0) break
    start = end + 1
  }
  const newline = text.indexOf('\n', start)
  const whole = text.slice(start, newline < 0 ? text.length : newline).replace(/\r$/, '')
  const before = Array.from(whole).slice(0, Math.max(0, column - 1)).join('')
  const from = start + Math.min(before.length, whole.length)
  const word = /^("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s,:[\]{}]+|.)/u.exec(text.slice(from, start + whole.length))
  return { from, to: from + (word?.[0].length ?? 0) }
}

/** The one stretch that must be changed to make a text of another; null where they are the same. */
export function difference(before: string, after: string): (Range & { insert: string }) | null {
  if (before === after) return null
  let start = 0
  const shorter = Math.min(before.length, after.length)
  while (start < shorter && before[start] === after[start]) start += 1
  let end = 0
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1
  return { from: start, to: before.length - end, insert: after.slice(start, after.length - end) }
}

/** Where masks of kept keys stand. */
export function masksIn(text: string): Range[] {
  return Array.from(text.matchAll(/‹kept:\d+›/g), (match) => ({ from: match.index, to: match.index + match[0].length }))
}

export interface DiffLine {
  kind: 'added' | 'removed' | 'same' | 'place' | 'file'
  text: string
}

/** The lines of a unified diff. */
export function diffLines(diff: string): DiffLine[] {
  return diff
    .replace(/\n$/, '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      if (line.startsWith('+++ ') || line.startsWith('--- ')) return { kind: 'file', text: line }
      if (line.startsWith('@@')) return { kind: 'place', text: line }
      if (line.startsWith('+')) return { kind: 'added', text: line.slice(1) }
      if (line.startsWith('-')) return { kind: 'removed', text: line.slice(1) }
      return { kind: 'same', text: line.replace(/^ /, '') }
    })
}

/** Two texts line by line: what the first has alone is removed, what the second has alone is added. */
export function compare(before: string, after: string): DiffLine[] {
  if (before === after) return []
  const a = before.split('\n')
  const b = after.split('\n')
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1
  let end = 0
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1
  const context = 3
  const middle = longest(a.slice(start, a.length - end), b.slice(start, b.length - end))
  const same = (lines: string[]) => lines.map((text): DiffLine => ({ kind: 'same', text }))
  return [...same(a.slice(Math.max(0, start - context), start)), ...middle, ...same(a.slice(a.length - end, a.length - end + context))]
}

/** Above this many pairs of lines the two are shown one after the other: a person compares no more than that. */
const PAIRS = 1_000_000

function longest(a: string[], b: string[]): DiffLine[] {
  if (a.length * b.length > PAIRS) {
    return [...a.map((text): DiffLine => ({ kind: 'removed', text })), ...b.map((text): DiffLine => ({ kind: 'added', text }))]
  }
  const width = b.length + 1
  const lengths = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] =
        a[i] === b[j] ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1 : Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0)
    }
  }
  const lines: DiffLine[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    const left = a[i]
    const right = b[j]
    if (left !== undefined && left === right) {
      lines.push({ kind: 'same', text: left })
      i += 1
      j += 1
    } else if (right === undefined || (left !== undefined && (lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0))) {
      lines.push({ kind: 'removed', text: left ?? '' })
      i += 1
    } else {
      lines.push({ kind: 'added', text: right })
      j += 1
    }
  }
  return lines
}
