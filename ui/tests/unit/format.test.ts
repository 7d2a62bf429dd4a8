import { describe, expect, test } from 'vitest'
import { cost, count, duration, elapsed, fullMoment, keepTogether, moment, sentence, tokens } from '../../src/lib/format'

describe('tokens', () => {
  test.each([
    [512, '512'],
    [8_192, '8k'],
    [196_608, '196k'],
    [1_000_000, '1M'],
    [1_048_576, '1.0M'],
    [2_500_000, '2.5M'],
  ])('%i as the engine writes them: %s', (value, text) => expect(tokens(value)).toBe(text))
})

describe('duration', () => {
  test.each([
    [0, '0 ms'],
    [-4, '0 ms'],
    [840, '840 ms'],
    [999, '999 ms'],
    [999.7, '1.0 s'],
    [3_249, '3.2 s'],
    [59_949, '59.9 s'],
    [59_950, '1 min'],
    [125_000, '2 min 5 s'],
    [3_599_600, '1 h'],
    [3_780_000, '1 h 3 min'],
  ])('%d ms is %s', (value, text) => expect(duration(value, 'en')).toBe(text))

  test('in the locale’s own digits and point', () => expect(duration(3_249, 'de')).toBe('3,2 s'))
})

test('a running time is whole seconds, and never below zero whatever the clocks say', () => {
  expect([-5_000, 0, 12_999, 61_000].map(elapsed)).toEqual(['0 s', '0 s', '12 s', '1 min 1 s'])
})

test('a small cost does not look like none', () => {
  expect([0, 0.0042, 0.0861, 0.42, 12].map((value) => cost(value, 'en-US'))).toEqual(['$0.00', '$0.0042', '$0.086', '$0.42', '$12.00'])
  expect(cost(0.4231, 'de')).toBe('0,42\u00a0$')
})

test('counts and times follow the locale', () => {
  expect([count(12_040, 'en'), count(12_040, 'de')]).toEqual(['12,040', '12.040'])
  const at = new Date(2026, 10, 22, 14, 5, 9).getTime()
  const nextDay = new Date(2026, 10, 23, 1, 0, 0).getTime()
  expect(moment(at, at + 60_000, 'en-GB')).toBe('14:05:09')
  expect(moment(at, nextDay, 'en-GB')).toBe('22 Nov, 14:05')
  expect(fullMoment(at, 'en-GB')).toMatch(/Sunday.*22 November 2026.*14:05:09/)
})

test('a line does not end between a number and its unit, nor begin with a dot', () => {
  expect(keepTogether('MiniMax · loading, about 30 s · Opus')).toBe('MiniMax\u00a0· loading, about 30\u00a0s\u00a0· Opus')
  expect(keepTogether('4 sorts of 2 models')).toBe('4 sorts of 2 models')
})

test.each([
  ['there is no keychain here', 'There is no keychain here.'],
  ['agents.defaults.model is gone', 'agents.defaults.model is gone.'],
  ['OpenClaw refuses it…', 'OpenClaw refuses it…'],
  ['', ''],
])('what the engine says is a sentence: %j', (said, expected) => {
  expect(sentence(said)).toBe(expected)
})
