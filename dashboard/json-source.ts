/** This module looks at JSON as text, which keeps what parsing loses: long numbers, and all of two equal keys. */

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g
const OPENERS = '{['
const CLOSERS = '}]'

interface Token {
  text: string
  at: number
}

const tokensOf = (source: string): Token[] =>
  Array.from(source.matchAll(TOKENS), ({ 0: text, index }) => ({ text, at: index }))

/**
 * Finds the text of a member in the text of a JSON object.
 * @param path the names that lead to it
 * @returns its source; of equal names the last, as JSON.parse takes it; empty when there is none
 */
export function memberSource(source: string, path: readonly string[]): string {
  let found = source
  for (const name of path) found = lastMember(found, name)
  return found
}

function lastMember(source: string, name: string): string {
  let depth = 0
  let key: string | undefined
  let begin = -1
  let found = ''
  for (const { text, at } of tokensOf(source)) {
    const isEnd = depth === 1 && (text === ',' || text === '}')
    if (isEnd && begin >= 0) {
      if (key === name) found = source.slice(begin, at).trim()
      key = undefined
      begin = -1
    } else if (depth === 1 && text === ':' && begin < 0) begin = at + 1
    else if (depth === 1 && begin < 0 && text.startsWith('"')) key = JSON.parse(text)
    if (OPENERS.includes(text)) depth++
    if (CLOSERS.includes(text)) depth--
  }
  return found
}

/** What would be much longer than it is, because it is nested deeply, stays as it is. */
const MOST_INDENTED = 1_000_000

/** Indents JSON by two blanks a level. Its tokens stay as they are. */
export function indented(source: string): string {
  if (source.length > MOST_INDENTED / 4) return source
  let depth = 0
  let last = ''
  let out = ''
  const line = () => `\n${'  '.repeat(depth)}`
  for (const { text } of tokensOf(source)) {
    if (CLOSERS.includes(text)) {
      depth--
      if (!OPENERS.includes(last)) out += line()
    } else if (last && OPENERS.includes(last)) out += line()
    if (text === ':') out += ': '
    else if (text === ',') out += `,${line()}`
    else out += text
    if (out.length > MOST_INDENTED) return source
    if (OPENERS.includes(text)) depth++
    last = text
  }
  return out
}

/** JSON without blanks, and without characters that a terminal would take for keys. */
export function compact(source: string): string {
  return tokensOf(source)
    .map(({ text }) => text)
    .join('')
    .replace(/[\u007f-\u009f]/g, escaped)
}

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

// LRM, RLM, ALM, the embeddings, overrides and isolates: they would have text show in another order than it is.
const REORDERING = /[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/g

/** Text as it is read, from the left: what would reorder it is shown as its JSON escape. */
export function visible(text: string): string {
  return text.replace(REORDERING, escaped)
}
