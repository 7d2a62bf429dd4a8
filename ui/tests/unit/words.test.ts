import { describe, expect, test } from 'vitest'
import type { ModelState } from '../../src/lib/bindings/ModelState'
import * as words from '../../src/lib/words'
import * as states from '../fixtures/states'

const NOW = 1_800_000_000_000

describe('a model’s state', () => {
  const cases: [ModelState, string, words.Tone, number | null | undefined][] = [
    [{ kind: 'ready' }, 'ready', 'hosted', undefined],
    [{ kind: 'warm', since: 1 }, 'warm · 196k of 196k context loaded', 'good', undefined],
    [{ kind: 'loading', since: NOW - 12_000, expected: 30_000 }, 'loading, 12 s of about 30 s', 'busy', 0.4],
    [{ kind: 'loading', since: NOW - 12_000, expected: 29_400 }, 'loading, 12 s of about 30 s', 'busy', 12 / 29.4],
    [{ kind: 'loading', since: NOW - 45_000, expected: 30_000 }, 'loading, 45 s, usually about 30 s', 'busy', 0.97],
    [{ kind: 'loading', since: NOW - 12_000, expected: null }, 'loading, 12 s', 'busy', null],
    [{ kind: 'loading', since: NOW + 5_000, expected: 30_000 }, 'loading, 0 s of about 30 s', 'busy', 0],
    [{ kind: 'cold', reason: 'likely idle time-out' }, 'cold: likely idle time-out', 'quiet', undefined],
    [{ kind: 'cold', reason: null }, 'cold: not in memory', 'quiet', undefined],
    [{ kind: 'missing' }, 'missing: its server answers and does not have it', 'bad', undefined],
    [{ kind: 'unreachable', reason: 'connection refused' }, 'unreachable: connection refused', 'bad', undefined],
    [{ kind: 'unknown' }, 'state not known: its server does not say', 'quiet', undefined],
  ]
  test.each(cases)('%j', (state, text, tone, progress) => {
    const said = words.stateWords(states.minimax(state), NOW)
    expect([said.text, said.tone]).toEqual([text, tone])
    if (typeof progress === 'number') expect(said.progress).toBeCloseTo(progress)
    else expect(said.progress).toBe(progress)
  })

  test('how far a load has come is the runtime’s word where it tells', () => {
    const loading: ModelState = { kind: 'loading', since: NOW - 12_000, expected: 30_000 }
    const said = words.stateWords(states.minimax(loading, { progress: 70 }), NOW)
    expect([said.text, said.progress]).toEqual(['loading, 70%, 12 s of about 30 s', 0.7])
    const untimed = words.stateWords(states.minimax({ ...loading, expected: null }, { progress: 3 }), NOW)
    expect([untimed.text, untimed.progress]).toEqual(['loading, 3%, 12 s', 0.03])
  })

  test('less context than configured is a warning; an unknown size is not made up', () => {
    const warm: ModelState = { kind: 'warm', since: 1 }
    const short = words.stateWords(states.minimax(warm, { loadedContext: 32_768 }), NOW)
    expect([short.text, short.tone]).toEqual(['warm · 32k of 196k context loaded', 'warning'])
    expect(words.stateWords(states.minimax(warm, { loadedContext: null }), NOW).text).toBe('warm')
    expect(words.stateWords(states.minimax(warm, { contextWindow: null }), NOW).text).toBe('warm · 196k context loaded')
  })
})

describe('what answers and why', () => {
  test('the primary, warm or hosted', () => {
    expect(words.explain(states.warm(), NOW)).toBe('MiniMax answers: it is the primary, and it is in memory.')
    const hosted = states.warm({ chain: [states.OPUS], light: 'hosted', answering: states.OPUS })
    expect(words.explain(hosted, NOW)).toBe('Opus answers: it is the primary, and it is hosted.')
    const unsaid = states.warm({ chain: [states.GATEWAY], light: 'warm', answering: states.GATEWAY })
    expect(words.explain(unsaid, NOW)).toBe('GLM is asked first: it is the primary.')
  })

  test('a fallback, and why each before it does not', () => {
    const loading = states.loading({
      models: [states.minimax({ kind: 'loading', since: NOW - 12_000, expected: 30_000 }), states.opus()],
    })
    expect(words.answering(loading)?.ref).toBe(states.OPUS)
    expect(words.explain(loading, NOW)).toBe('Opus answers until MiniMax is warm: it is loading, 12 s of about 30 s.')
    const two = states.hosted({ chain: [states.MINIMAX, states.QWEN, states.OPUS] })
    expect(words.explain(two, NOW)).toBe(
      'Opus answers instead of MiniMax: it is unreachable (connection refused) and Qwen3 8B is unreachable (connection refused).',
    )
  })

  test('nobody', () => {
    expect(words.explain(states.trouble(), NOW)).toBe('Nothing in the chain can answer: MiniMax is unreachable (connection refused).')
    expect(words.explain(states.fresh(), NOW)).toContain('The next request loads MiniMax and waits for it.')
    const waiting = states.fresh({ models: [states.minimax({ kind: 'loading', since: NOW - 2_000, expected: null })] })
    expect(words.explain(waiting, NOW)).toBe('Requests wait for MiniMax: it is loading, 2 s.')
    expect(words.explain(states.empty(), NOW)).toBe('The configuration has no model yet.')
    expect(words.explain(states.warm({ chain: [] }), NOW)).toContain('No primary is set')
    expect(words.answering(states.stopped())).toBeNull()
    expect(words.explain(states.stopped(), NOW)).toContain('not listening')
  })

  test('a model that may not be asked is said so, and does not answer', () => {
    const barred = states.opus({ barred: 'only local models are allowed' })
    const state = states.hosted({ models: [states.hosted().models[0]!, barred], answering: null, light: 'trouble' })
    expect(words.stateWords(barred, NOW)).toEqual({ text: 'not asked: only local models are allowed', tone: 'warning' })
    expect(words.explain(state, NOW)).toContain('Opus is not asked (only local models are allowed)')
  })

  test('a model that can answer and has just failed', () => {
    const failed = states.served({ outcome: 'failed', servedBy: null, passedOver: [{ model: states.OPUS, code: 'status', detail: '529 overloaded' }] })
    const state = states.hosted({ light: 'trouble', recent: [failed] })
    expect(words.explain(state, NOW)).toBe('The last request failed at Opus: 529 overloaded. The next one tries again.')
  })
})

test('what else a runtime tells of its model', () => {
  const model = { ...states.minimax({ kind: 'warm', since: 0 }), quantization: 'Q4_K_M', sizeBytes: 4_870_000_000, staysUntil: 65_000 }
  expect(words.toldFacts(model, 5_000)).toEqual(['Q4_K_M', '4.9 GB', 'goes in 1 min unless it is used'])
  expect(words.toldFacts({ ...model, state: { kind: 'cold', reason: null } }, 5_000)).toEqual(['Q4_K_M', '4.9 GB'])
  expect(words.toldFacts({ ...model, quantization: null, sizeBytes: null, staysUntil: null }, 5_000)).toEqual([])
})

describe('a context that is loaded smaller than the configuration says', () => {
  const short = states.warm()
  const model = { ...short.models[0]!, loadedContext: 4096, contextWindow: 40_960, manageable: true }
  const state = (change: Partial<(typeof short.runtimes)[0]>) => ({ ...short, runtimes: [{ ...short.runtimes[0]!, ...change }] })
  const mends = (change: Partial<(typeof short.runtimes)[0]>) => words.contextMends(model, state(change)).map((mend) => mend.word)

  test('what helps is offered, and nothing else', () => {
    expect(mends({})).toEqual(['Reload with 40k', 'Lower to 4k'])
    expect(mends({ title: 'Ollama', loadContext: false, setsContext: true, contextSetBy: 'num_ctx' })).toEqual(['Set 40k in Ollama and reload', 'Lower to 4k'])
    expect(mends({ loadContext: false, contextSetBy: '--ctx-size' })).toEqual(['Lower to 4k'])
  })

  test('where nothing can be done from here, it is said who sets it', () => {
    expect(words.contextAdvice(model, state({ loadContext: false, contextSetBy: '--ctx-size' }))).toBe('To load it with more: --ctx-size.')
    expect(words.contextAdvice(model, state({}))).toBeNull()
    expect(words.contextAdvice(model, state({ loadContext: false, setsContext: true, contextSetBy: 'num_ctx' }))).toBeNull()
  })
})

describe('what cools down', () => {
  const [limited] = states.coolingDown().cooldowns
  test('a model, or all of a provider', () => {
    const state = states.coolingDown()
    expect(words.cooldownOf(state, states.OPUS)?.cause).toBe('rate-limited')
    expect(words.cooldownOf(state, states.MINIMAX)).toBeNull()
    const all = { ...state, cooldowns: [{ ...limited!, model: null }] }
    expect(words.cooldownOf(all, 'anthropic/claude-haiku')).not.toBeNull()
    expect(words.cooldownOf(all, 'anthropic-eu/claude-haiku')).toBeNull()
    expect(words.cooldownOf({ ...all, cooldowns: [{ ...limited!, halfOpen: true }] }, states.OPUS)).toBeNull()
  })

  test('for how long, and what ends it', () => {
    const now = limited!.until - 11_500
    expect(words.cooldownWords(limited!, now)).toBe('Requests go to others for 11 s more.')
    const key = { ...limited!, cause: 'unauthorized' }
    expect(words.cooldownWords(key, now)).toBe('Requests go to others for 11 s more, or until its key changes.')
    expect(words.cooldownWords({ ...limited!, halfOpen: true }, now)).toContain('The next request')
  })

  test('why another answers', () => {
    const state = states.warm({ answering: states.OPUS, light: 'hosted', cooldowns: [{ ...limited!, provider: 'lmstudio', model: states.MINIMAX }] })
    expect(words.explain(state, NOW)).toBe('Opus answers instead of MiniMax: it is cooling down.')
    expect(words.explain({ ...state, answering: null, chain: [states.MINIMAX] }, NOW)).toContain('asked all the same')
  })
})

test('the announcement changes with what happens, and not with the clock', () => {
  expect(words.announcement(states.warm())).toBe('Warm. MiniMax answers.')
  expect(words.announcement(states.loading())).toBe('Loading. Opus answers.')
  expect(words.announcement(states.trouble())).toBe('Trouble. MiniMax: unreachable, and nothing else can answer')
})

test('the chain is in its own order, and the others in the file’s', () => {
  const state = states.warm({ chain: [states.OPUS, 'gone/model', states.MINIMAX] })
  expect(words.chainOf(state).map((model) => model.ref)).toEqual([states.OPUS, states.MINIMAX])
  expect(words.othersOf(state).map((model) => model.ref)).toEqual([states.QWEN, states.GATEWAY])
})

test('a passed-over candidate is named as a person knows it, with why', () => {
  const passed = [
    { model: states.MINIMAX, code: 'loading', detail: 'loading for 12 s' },
    { model: 'gone/model', code: 'timeout', detail: '' },
  ]
  expect(words.passedOverWords(states.warm(), passed)).toEqual(['MiniMax: loading for 12 s', 'gone/model: timeout'])
})

test('the day’s cost is shown where anything had a price', () => {
  const free = states.served({ cost: null })
  expect(words.costIsKnown(states.warm({ costToday: 0, recent: [free] }))).toBe(false)
  expect(words.costIsKnown(states.warm({ costToday: 0, recent: [states.served({ cost: 0 })] }))).toBe(true)
  expect(words.costIsKnown(states.warm({ costToday: 0.01, recent: [] }))).toBe(true)
})

describe('the line to try', () => {
  test.each([
    [states.MINIMAX, '/v1/responses', '{"model":"primary","input":"Say hello"}'],
    [states.GATEWAY, '/v1/chat/completions', '{"model":"primary","messages":[{"role":"user","content":"Say hello"}]}'],
    [states.OPUS, '/v1/messages', '"max_tokens":100'],
  ])('speaks the API of %s', (ref, path, body) => {
    const line = words.tryIt(states.warm({ chain: [ref] }))
    expect(line).toContain(`http://127.0.0.1:11235${path} `)
    expect(line).toContain(body)
    expect(line).toContain('$(pilotlight token)')
  })

  test('is not offered where it could not work', () => {
    expect(words.tryIt(states.stopped())).toBeNull()
    expect(words.tryIt(states.empty())).toBeNull()
  })
})
