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

describe('a local provider’s server', () => {
  const runtime = provider('lmstudio').view!.runtime!
  const facts = (change: Partial<typeof runtime>) => Object.fromEntries(words.runtimeFacts({ ...runtime, ...change }).map((one) => [one.term, one.text]))

  test('one that takes a context with a load', () => {
    expect(facts({})).toEqual({
      'It is': 'LM Studio 0.4.2 at http://127.0.0.1:1234',
      'It can be told to': 'load a model with a context length, unload it',
      Changes: 'are seen by asking it',
      'To keep a model warm': 'nothing is sent to keep a model warm',
      'It does not tell': 'how far a load has come, why a model went',
    })
  })

  test('one that does not, and one that can be told nothing', () => {
    const ollama = facts({ kind: 'ollama', title: 'Ollama', loadContext: false, setsContext: true, contextSetBy: 'num_ctx of its model' })
    expect(ollama['Context is set by']).toBe('num_ctx of its model; a model’s own is set from here on request')
    const plain = facts({ kind: 'openai-compatible', version: null, loads: false, unloads: false, pushes: true })
    expect(plain['It is']).toBe('a server of the OpenAI API at http://127.0.0.1:1234')
    expect(plain['It can be told to']).toBe('do nothing with its models')
    expect(plain.Changes).toBe('it tells of them by itself')
    expect(words.runtimeFacts({ ...runtime, kind: 'unknown' })).toEqual([])
  })
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
