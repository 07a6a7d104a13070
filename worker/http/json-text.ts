/**
 * This module finds things in JSON source text without parsing it. So the text can be stored as it was sent:
 * JSON.parse would turn 12345678901234567890 into another number. It still judges what is valid. No I/O.
 */

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const BLANK_OR_COLON = new Set([0x20, 0x09, 0x0a, 0x0d, 0x3a])

/** Measures how deep arrays and objects are nested in `text`, which may be malformed. One pass, no recursion. */
export function nestingDepth(text: string): number {
  let depth = 0
  let deepest = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at) - 1
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) deepest = Math.max(deepest, ++depth)
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
  }
  return deepest
}

/**
 * Finds the source text of each member of the object in `text`.
 * `text` must have passed JSON.parse. When a key occurs twice the last one counts, as it does there.
 */
export function memberSources(text: string): Map<string, string> {
  const members = new Map<string, string>()
  let at = text.indexOf('{') + 1
  for (;;) {
    while (text.charCodeAt(at) !== QUOTE) {
      if (at >= text.length || text.charCodeAt(at) === CLOSE_BRACE) return members
      at++
    }
    const endOfKey = endOfString(text, at)
    const key: string = JSON.parse(text.slice(at, endOfKey))
    let value = endOfKey
    while (BLANK_OR_COLON.has(text.charCodeAt(value))) value++
    at = endOfValue(text, value)
    members.set(key, text.slice(value, at))
  }
}

/**
 * Finds the source text of each element of the array in `text`.
 * It stops after `most` + 1 elements, and each one still has to pass JSON.parse.
 * @returns null when `text` is no array, or is malformed between the elements
 */
export function elementSources(text: string, most: number): string[] | null {
  const elements: string[] = []
  let at = skipBlanks(text, 0)
  if (text[at] !== '[') return null
  at = skipBlanks(text, at + 1)
  if (text[at] === ']') return skipBlanks(text, at + 1) === text.length ? [] : null
  while (elements.length <= most) {
    const end = endOfValue(text, at)
    if (end === at) return null
    elements.push(text.slice(at, end))
    at = skipBlanks(text, end)
    if (text[at] === ']') return skipBlanks(text, at + 1) === text.length ? elements : null
    if (text[at] !== ',') return null
    at = skipBlanks(text, at + 1)
  }
  return elements
}

function skipBlanks(text: string, at: number): number {
  while (text[at] !== ':' && BLANK_OR_COLON.has(text.charCodeAt(at))) at++
  return at
}

/** Returns the index after the value that starts at `start`. */
function endOfValue(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = endOfString(text, at) - 1
      if (depth === 0) return at + 1
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      if (depth === 0) return at
      if (--depth === 0) return at + 1
    } else if (depth === 0 && (code === COMMA || BLANK_OR_COLON.has(code))) return at
  }
  return text.length
}

/** Returns the index after the string whose opening quote is at `open`. It is the text's length if it never closes. */
function endOfString(text: string, open: number): number {
  let close = text.indexOf('"', open + 1)
  while (close !== -1) {
    let before = close
    while (text.charCodeAt(before - 1) === BACKSLASH) before--
    if ((close - before) % 2 === 0) return close + 1
    close = text.indexOf('"', close + 1)
  }
  return text.length
}
