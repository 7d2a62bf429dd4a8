// Server-sent events, as far as the engine's own stream needs them: the data of each event.
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

/** Takes text in pieces cut anywhere and gives back the data of each event that is complete. */
export class SseParser {
  #rest = ''
  #data: string[] = []

  push(piece: string): string[] {
    const events: string[] = []
    let text = this.#rest + piece
    // A CR at the very end may be half of a CRLF: it waits for the next piece.
    const held = text.endsWith('\r') ? '\r' : ''
    if (held) text = text.slice(0, -1)
    const lines = text.split(/\r\n|\n|\r/)
    this.#rest = (lines.pop() ?? '') + held

    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0) events.push(this.#data.join('\n'))
        this.#data = []
      } else if (line === 'data') {
        this.#data.push('')
      } else if (line.startsWith('data:')) {
        this.#data.push(line.slice(line.startsWith('data: ') ? 6 : 5))
      }
    }
    return events
  }
}
