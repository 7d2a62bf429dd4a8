// @vitest-environment node
import { describe, expect, test } from 'vitest'
import * as configuration from '../../src/lib/models/configuration'
import { applied, at, type Json } from '../../src/lib/models/draft'
import { LISTED, VALUE } from '../fixtures/configuration'

const MINIMAX = 'lmstudio/minimax-m2.1-gs32'
const OPUS = 'anthropic/claude-opus-4-6'
const ROUTED = 'openrouter/minimax/minimax-m2.1'
const chained = (model: Json): Json => applied(VALUE, [{ edit: 'set', path: 'agents.defaults.model', value: model }])
const providers = (value: Json = VALUE) => configuration.providersOf(value, [])

describe('the chain', () => {
  test.each<[string, Json, { through: boolean; entries: string[] }]>([
    ['an object', { primary: 'a/b', fallbacks: ['c/d'] }, { through: false, entries: ['a/b', 'c/d'] }],
    ['a text', 'a/b', { through: false, entries: ['a/b'] }],
    ['through the proxy', { primary: 'pilotlight/primary', fallbacks: ['a/b', 'pilotlight/x', 'c/d'] }, { through: true, entries: ['a/b', 'c/d'] }],
    ['fallbacks alone', { fallbacks: ['c/d'] }, { through: false, entries: ['c/d'] }],
    ['nothing of use', 7, { through: false, entries: [] }],
  ])('%s', (_name, model, expected) => expect(configuration.chainOf(chained(model))).toEqual(expected))

  const before = { primary: 'p/0', fallbacks: ['f/1', 'f/2', 'f/3'] }
  test.each<[string, Json, string[], Json]>([
    ['the primary goes down', before, ['f/1', 'p/0', 'f/2', 'f/3'], { primary: 'f/1', fallbacks: ['p/0', 'f/2', 'f/3'] }],
    ['the first fallback goes last', before, ['p/0', 'f/2', 'f/3', 'f/1'], { primary: 'p/0', fallbacks: ['f/2', 'f/3', 'f/1'] }],
    ['one goes out', before, ['p/0', 'f/1', 'f/3'], { primary: 'p/0', fallbacks: ['f/1', 'f/3'] }],
    ['one comes in', before, ['p/0', 'f/1', 'n/4', 'f/2', 'f/3'], { primary: 'p/0', fallbacks: ['f/1', 'n/4', 'f/2', 'f/3'] }],
    ['all the other way round', before, ['f/3', 'f/2', 'f/1', 'p/0'], { primary: 'f/3', fallbacks: ['f/2', 'f/1', 'p/0'] }],
    ['nothing left', before, [], { fallbacks: [] }],
    ['a text gets fallbacks', 'p/0', ['p/0', 'f/1'], { primary: 'p/0', fallbacks: ['f/1'] }],
    ['a text stays one', 'p/0', ['n/1'], 'n/1'],
    ['an object gets its first fallbacks', { primary: 'p/0' }, ['p/0', 'f/1'], { primary: 'p/0', fallbacks: ['f/1'] }],
    [
      'through the proxy the primary stays',
      { primary: 'pilotlight/primary', fallbacks: ['a/1', 'b/2'] },
      ['b/2', 'a/1'],
      { primary: 'pilotlight/primary', fallbacks: ['b/2', 'a/1'] },
    ],
  ])('%s', (_name, model, entries, expected) => {
    const value = chained(model)
    const after = applied(value, configuration.chainEdits(value, entries))
    expect(at(after, 'agents.defaults.model')).toEqual(expected)
    expect(configuration.chainEdits(after, entries)).toEqual([])
  })

  test('moving one entry is one edit, so that its comment goes with it', () => {
    const value = chained(before)
    expect(configuration.chainEdits(value, ['p/0', 'f/2', 'f/3', 'f/1'])).toEqual([
      { edit: 'move', path: 'agents.defaults.model.fallbacks', entry: 0, position: { at: 2 } },
    ])
    expect(configuration.chainEdits(value, ['p/0', 'f/3', 'f/1', 'f/2'])).toEqual([
      { edit: 'move', path: 'agents.defaults.model.fallbacks', entry: 2, position: { at: 0 } },
    ])
  })

  test('the primary and a fallback change places, and each takes its comments along', () => {
    const swap = (index: number) => ({ edit: 'swap', path: 'agents.defaults.model.primary', other: `agents.defaults.model.fallbacks[${index}]` })
    const list = 'agents.defaults.model.fallbacks'
    expect(configuration.chainEdits(chained(before), ['f/2', 'f/1', 'p/0', 'f/3'])).toEqual([swap(1)])
    // Made the primary: the one that was is the next.
    expect(configuration.chainEdits(chained(before), ['f/2', 'p/0', 'f/1', 'f/3'])).toEqual([swap(1), { edit: 'move', path: list, entry: 1, position: { at: 0 } }])
    // A new one before it; and the same where there was none behind it.
    expect(configuration.chainEdits(chained(before), ['n/1', 'p/0', 'f/1', 'f/2', 'f/3'])).toEqual([{ edit: 'insert', path: list, position: 'start', value: 'n/1' }, swap(0)])
    expect(configuration.chainEdits(chained({ primary: 'p/0' }), ['n/1', 'p/0'])).toEqual([{ edit: 'set', path: list, value: ['n/1'] }, swap(0)])
    // It goes, and a fallback comes in its place.
    expect(configuration.chainEdits(chained(before), ['f/1', 'f/2', 'f/3'])).toEqual([swap(0), { edit: 'remove', path: `${list}[0]` }])
  })

  test('chains of any kind become one another', () => {
    let seed = 11
    const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below
    const chain = () => [...new Set(Array.from({ length: 1 + random(5) }, () => `m/${random(6)}`))]
    for (let round = 0; round < 500; round += 1) {
      const [primary, ...fallbacks] = chain()
      const to = chain()
      const value = chained({ primary, ...(fallbacks.length > 0 && { fallbacks }) } as Json)
      const after = at(applied(value, configuration.chainEdits(value, to)), 'agents.defaults.model') as { primary: string; fallbacks?: string[] }
      expect([after.primary, ...(after.fallbacks ?? [])], `${primary} ${fallbacks.join()} → ${to.join()}`).toEqual(to)
    }
  })

  test('lists of any kind become one another', () => {
    let seed = 7
    const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below
    for (let round = 0; round < 500; round += 1) {
      const list = () => Array.from({ length: random(6) }, () => `m/${random(5)}`)
      const from = list()
      const to = list()
      const after = applied({ l: from }, configuration.listEdits('l', from, to))
      expect(at(after, 'l'), `${from.join()} → ${to.join()}`).toEqual(to)
    }
  })

  test('an entry is found by alias in any case, by ref, and by an id that one provider has', () => {
    const models = configuration.modelsOf(providers())
    expect(configuration.resolve('minimax', models)?.ref).toBe(MINIMAX)
    expect(configuration.resolve(OPUS, models)?.ref).toBe(OPUS)
    expect(configuration.resolve('qwen3-8b', models)?.ref).toBe('lmstudio/qwen3-8b')
    expect(configuration.resolve('gone/model', models)).toBeNull()
  })
})

describe('the templates', () => {
  test('a hosted primary with local fallbacks, and the other way round', () => {
    expect(configuration.templateChain('hosted-first', VALUE, providers())).toEqual([OPUS, MINIMAX, ROUTED])
    expect(configuration.templateChain('local-first', VALUE, providers())).toEqual([MINIMAX, OPUS, ROUTED])
  })

  test('take the first configured model where the chain has none of its kind', () => {
    const value = chained({ primary: OPUS })
    expect(configuration.templateChain('local-first', value, providers(value))).toEqual([MINIMAX, OPUS])
  })

  test('need both kinds', () => {
    const value = applied(chained({ primary: OPUS }), [
      { edit: 'remove', path: 'models.providers.lmstudio' },
      { edit: 'remove', path: `agents.defaults.models["${MINIMAX}"]` },
    ])
    expect(configuration.templateChain('local-first', value, providers(value))).toBeNull()
    expect(configuration.templateEdits('local-first', value, providers(value))).toEqual([])
  })

  test('keep the hosted models available', () => {
    const value = applied(VALUE, [{ edit: 'set', path: 'models.mode', value: 'replace' }])
    const after = applied(value, configuration.templateEdits('hosted-first', value, providers(value)))
    expect(configuration.modeOf(after)).toBe('merge')
  })
})

describe('providers', () => {
  test('those of the file, then those that the chain names and OpenClaw has built in', () => {
    expect(providers().map(({ id, location, models }) => [id, location, models.map((model) => model.ref)])).toEqual([
      ['lmstudio', 'local', [MINIMAX, 'lmstudio/qwen3-8b']],
      ['openrouter', 'hosted', [ROUTED]],
      ['anthropic', 'hosted', [OPUS]],
    ])
  })

  test('a free id', () => {
    expect(configuration.freeId(VALUE, 'ollama')).toBe('ollama')
    expect(configuration.freeId(VALUE, 'lmstudio')).toBe('lmstudio-2')
  })

  test('another id, wherever it is named', () => {
    const after = applied(VALUE, configuration.renameProviderEdits(VALUE, 'lmstudio', 'studio'))
    expect(configuration.chainOf(after).entries[0]).toBe('studio/minimax-m2.1-gs32')
    expect(at(after, 'agents.defaults.models["studio/minimax-m2.1-gs32"].alias')).toBe('MiniMax')
    expect(JSON.stringify(after)).not.toContain('lmstudio/')
  })

  test('another model id, wherever it is named', () => {
    const after = applied(VALUE, configuration.renameModelEdits(VALUE, 'lmstudio', 0, 'm3'))
    expect(configuration.chainOf(after).entries[0]).toBe('lmstudio/m3')
    expect(at(after, 'agents.defaults.models["lmstudio/m3"].alias')).toBe('MiniMax')
  })

  test('one that goes takes its models out of the chain', () => {
    const after = applied(VALUE, configuration.removeProviderEdits(VALUE, 'lmstudio', false))
    expect(configuration.chainOf(after).entries).toEqual([OPUS, ROUTED])
    expect(JSON.stringify(after)).not.toContain(MINIMAX)
    const builtIn = applied(VALUE, configuration.removeProviderEdits(VALUE, 'lmstudio', true))
    expect(configuration.chainOf(builtIn).entries).toContain(MINIMAX)
  })

  test('a model that goes is named nowhere, unless it stands there twice', () => {
    const after = applied(VALUE, configuration.removeModelEdits(VALUE, 'lmstudio', 0))
    expect(configuration.chainOf(after).entries).toEqual([OPUS, ROUTED])
    const twice = applied(VALUE, configuration.addModelEdits(VALUE, 'lmstudio', [{ id: 'minimax-m2.1-gs32', name: 'Again' }]))
    expect(configuration.chainOf(applied(twice, configuration.removeModelEdits(twice, 'lmstudio', 0))).entries).toContain(MINIMAX)
  })

  test('the first provider of an empty file', () => {
    const after = applied({}, configuration.addProviderEdits({}, 'ollama', { baseUrl: 'http://127.0.0.1:11434/v1' }, [{ id: 'a', name: 'A' }]))
    expect(after).toEqual({ models: { mode: 'merge', providers: { ollama: { baseUrl: 'http://127.0.0.1:11434/v1', models: [{ id: 'a', name: 'A' }] } } } })
  })
})

test('aliases are set, changed and taken away, and what stands beside them stays', () => {
  const set = applied(VALUE, configuration.aliasEdits(VALUE, 'lmstudio/qwen3-8b', ' Qwen '))
  expect(at(set, 'agents.defaults.models["lmstudio/qwen3-8b"]')).toEqual({ alias: 'Qwen' })
  const gone = applied(set, configuration.aliasEdits(set, 'lmstudio/qwen3-8b', ''))
  expect(at(gone, 'agents.defaults.models["lmstudio/qwen3-8b"]')).toEqual({})
  expect(configuration.aliasEdits(VALUE, MINIMAX, 'MiniMax')).toEqual([])
})

test('a row for a listed model says what is known, and nothing else', () => {
  expect(configuration.rowFor(LISTED[1]!)).toEqual({ id: 'glm-4.7-air', name: 'GLM 4.7 Air', input: ['text', 'image'], contextWindow: 131072 })
  expect(configuration.rowFor({ ...LISTED[0]!, loadedContext: 32768, maxTokens: 65536 }).contextWindow).toBe(32768)
  expect(configuration.rowFor({ ...LISTED[0]!, loadedContext: 32768, maxTokens: 65536 })).not.toHaveProperty('maxTokens')
})

test.each([
  ['http://127.0.0.1:1234/v1', 'local'],
  ['http://localhost/v1', 'local'],
  ['http://studio.local:1234/v1', 'local'],
  ['http://[::1]:8000/v1', 'local'],
  ['http://192.168.1.20:1234/v1', 'local'],
  ['http://172.20.0.2/v1', 'local'],
  ['http://172.32.0.2/v1', 'hosted'],
  ['https://10.example.com/v1', 'hosted'],
  ['https://openrouter.ai/api/v1', 'hosted'],
  ['${BASE}', 'hosted'],
  [null, 'hosted'],
])('%s is %s', (address, place) => expect(configuration.locationOf(address)).toBe(place))
