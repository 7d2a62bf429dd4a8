// @vitest-environment node
import { expect, test } from 'vitest'
import { compare, difference, diffLines, masksIn, place } from '../../src/lib/models/text-places'

test.each([
  [1, 1, '{'],
  [2, 3, 'key'],
  [2, 8, '"välue 🔥"'],
  [2, 19, 'next'],
  [9, 9, ''],
  [2, 99, ''],
])('line %i, column %i', (line, column, word) => {
  const text = '{\n  key: "välue 🔥", next: 1\r\n}'
  const { from, to } = place(text, line, column)
  expect(text.slice(from, to)).toBe(word)
})

test.each([
  ['abc', 'abc'],
  ['abc', 'abxc'],
  ['aaa', 'aa'],
  ['', 'x'],
  ['one two', 'one three two'],
])('%j to %j: one stretch', (before, after) => {
  const change = difference(before, after)
  const made = change === null ? before : before.slice(0, change.from) + change.insert + before.slice(change.to)
  expect(made).toBe(after)
  if (before === after) expect(change).toBeNull()
})

test('masks', () => expect(masksIn('a "‹kept:12›" b ‹kept:x›')).toEqual([{ from: 3, to: 12 }]))

test('a unified diff, line by line', () => {
  expect(diffLines('--- a\n+++ b\n@@ -1 +1 @@\n same\n-old\n+new\n').map((line) => [line.kind, line.text])).toEqual([
    ['file', '--- a'],
    ['file', '+++ b'],
    ['place', '@@ -1 +1 @@'],
    ['same', 'same'],
    ['removed', 'old'],
    ['added', 'new'],
  ])
})

test('two texts compared: what is theirs goes, what is ours comes, with three lines around', () => {
  const before = ['1', '2', '3', '4', 'old', 'kept', '5', '6', '7', '8']
  const after = ['1', '2', '3', '4', 'new', 'kept', 'more', '5', '6', '7', '8']
  expect(compare(before.join('\n'), after.join('\n')).map((line) => `${line.kind[0]} ${line.text}`)).toEqual(['s 2', 's 3', 's 4', 'r old', 'a new', 's kept', 'a more', 's 5', 's 6', 's 7'])
  expect(compare('x\ny\n', 'x\ny\n')).toEqual([])
})
