import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

/** This module reads lines, and hands them on some at a time. */

/** So many lines, or bytes, are handed on at a time; the library splits them where they are large. */
const LINES = 1_000
const BYTES = 8_000_000
/** Lines do not wait for others longer than this. */
const QUIET_MS = 100

export interface Line {
  number: number
  text: string
  /** What it takes in the input, with its end. */
  bytes: number
  /** It is not UTF-8; its text is only something that is no JSON. */
  isBroken: boolean
}

export async function* linesOf(input: Readable): AsyncGenerator<Line[]> {
  const chunks: AsyncIterator<Buffer> = input[Symbol.asyncIterator]()
  let [lines, size, number]: [Line[], number, number] = [[], 0, 0]
  const add = (bytes: Buffer) => {
    lines.push({ ...textOf(bytes), number: ++number, bytes: bytes.length + 1 })
    size += bytes.length + 1
  }
  const take = () => {
    const taken = lines
    ;[lines, size] = [[], 0]
    return taken
  }
  const read = () => {
    const next = chunks.next()
    // It may fail while lines are sent, before it is awaited.
    next.catch(() => {})
    return next
  }
  let rest = Buffer.alloc(0)
  try {
    for (let next = read(); ;) {
      const waits = lines.length > 0 ? [next, sleep(QUIET_MS, null, { ref: false })] : [next]
      const got = await Promise.race(waits)
      if (got === null) {
        yield take()
        continue
      }
      if (got.done) break
      next = read()
      rest = Buffer.concat([rest, got.value])
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
        add(rest.subarray(0, end))
        rest = rest.subarray(end + 1)
        if (lines.length === LINES || size >= BYTES) yield take()
      }
    }
  } finally {
    // Whoever wants no more lines need not wait for the next one.
    input.destroy()
  }
  if (rest.length > 0) add(rest)
  if (lines.length > 0) yield take()
}

/** Decodes a line, without the byte order mark that may be in front of the first one. */
function textOf(bytes: Buffer): { text: string; isBroken: boolean } {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes)
    return { text: text.replace(/\r$/, ''), isBroken: false }
  } catch {
    return { text: 'not UTF-8', isBroken: true }
  }
}
