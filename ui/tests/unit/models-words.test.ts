// @vitest-environment node
import { describe, expect, test } from 'vitest'
import { providersOf } from '../../src/lib/models/configuration'
import * as words from '../../src/lib/models/words'
import { ConfigDouble, LISTED } from '../fixtures/configuration'

const document = await new ConfigDouble().config()
const provider = (id: string) => providersOf(document.value, document.providers).find((one) => one.id === id)!

test('where a key is kept', () => {
  expect(words.keyWords(provider('openrouter').view!.key)).toEqual({ text: 'kept in: the configuration', tone: 'quiet' })
  expect(words.keyWords({ place: 'keychain', detail: '', problem: null }).text).toBe('kept in: the keychain')
  expect(words.keyWords({ place: 'keychain', detail: '', problem: 'It is locked.' })).toEqual({ text: 'It is locked.', tone: 'warning' })
  expect(words.keyWords({ place: 'none', detail: '', problem: null }).text).toBe('no key')
  expect(words.keyWords(null).text).toBe('not saved yet')
})

describe('a provider’s state', () => {
  test.each<[string, ReturnType<typeof provider>, string, string]>([
    ['watched', provider('lmstudio'), 'answers', 'good'],
    ['hosted', provider('openrouter'), 'ready', 'hosted'],
    ['not saved', { ...provider('lmstudio'), view: null }, 'not saved yet', 'busy'],
    ['built in and not known', { ...provider('anthropic'), view: null }, 'built in', 'quiet'],
  ])('%s', (_name, one, text, tone) => expect(words.providerState(one)).toEqual({ text, tone }))

  test('away, and without a key that can be read', () => {
    const one = provider('lmstudio')
    const away = { ...one, view: { ...one.view!, runtime: { ...one.view!.runtime!, reachable: false, detail: 'connection refused' } } }
    expect(words.providerState(away)).toEqual({ text: 'does not answer: connection refused', tone: 'bad' })
    const hosted = provider('openrouter')
    const keyless = { ...hosted, view: { ...hosted.view!, key: { ...hosted.view!.key, problem: 'not set' } } }
    expect(words.providerState(keyless).text).toBe('its key cannot be read')
  })
})

test('what is known of a listed model', () => {
  expect(words.listedFacts(LISTED[0]!)).toEqual(['196k context', '196k loaded', 'calls tools', '4bit', '128 GB'])
  expect(words.listedFacts(LISTED[2]!)).toEqual(['2k context', 'embeddings only', '274 MB'])
})

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1_500, '1.5 kB'],
  [4_700_000_000, '4.7 GB'],
  [128_000_000_000, '128 GB'],
])('%i bytes are %s', (bytes, text) => expect(words.size(bytes)).toBe(text))

test('counts', () => {
  expect(words.changes(1)).toBe('One unsaved change')
  expect(words.changes(3)).toBe('3 unsaved changes')
  expect(words.problemCounts([])).toBe('No problems')
  expect(words.problemCounts(document.diagnostics)).toBe('1 warning')
  const error = { ...document.diagnostics[0]!, severity: 'error' }
  expect(words.problemCounts([error, error, ...document.diagnostics])).toBe('2 errors, 1 warning')
})

test('why a template cannot be used', () => {
  expect(words.templateLacks([])).toBe('Add a local and a hosted model first.')
  expect(words.templateLacks([provider('lmstudio')])).toBe('Add a hosted model first.')
  expect(words.templateLacks([provider('openrouter')])).toBe('Add a local model first.')
  expect(words.templateLacks([provider('lmstudio'), provider('openrouter')])).toBeNull()
})

test('a file’s name', () => {
  expect(words.fileName('/home/ada/.openclaw/openclaw.json')).toBe('openclaw.json')
  expect(words.fileName('C:\\Users\\ada\\openclaw.json')).toBe('openclaw.json')
})
