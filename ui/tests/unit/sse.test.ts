import { describe, expect, test } from 'vitest'
import { SseParser } from '../../src/lib/backend/sse'

const STREAM = ': hello\r\n\r\ndata: {"a":1}\r\n\r\nevent: state\ndata:{"b":\ndata: 2}\n\n:\n\ndata\n\rdata: last\r\r'
const EVENTS = ['{"a":1}', '{"b":\n2}', '', 'last']

describe('server-sent events', () => {
  test('in one piece', () => {
    const parser = new SseParser()
    // The last CR might be half of a CRLF, so the last event is known to be over only with the next piece.
    expect([...parser.push(STREAM), ...parser.push(':')]).toEqual(EVENTS)
  })

  test('cut at every place, and in single characters', () => {
    for (let cut = 0; cut <= STREAM.length; cut += 1) {
      const parser = new SseParser()
      expect([...parser.push(STREAM.slice(0, cut)), ...parser.push(STREAM.slice(cut)), ...parser.push(':')]).toEqual(EVENTS)
    }
    const parser = new SseParser()
    expect([...STREAM, ':'].flatMap((character) => parser.push(character))).toEqual(EVENTS)
  })

  test('an event that is not over is not given', () => {
    expect(new SseParser().push('data: half\n')).toEqual([])
  })
})
