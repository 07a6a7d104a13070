import { elementSources, memberSources } from '../../worker/http/json-text'

/** How pages show answers: long JSON is broken into lines, and what varies from run to run is told apart. No I/O. */

const WIDTH = 120
/** Of a longer list a page shows the last entry, behind a "…". */
const LONGEST_LIST = 10

/** An answer as a page shows it. Numbers and strings stay as they came, to the letter. */
export function shown(output: string): string {
  const lines = output.replaceAll('\r', '').trimEnd().split('\n')
  return lines.map((line) => (/^[{[]/.test(line) ? broken(line, '', 0) : line)).join('\n')
}

/** JSON text in as few lines as fit, broken between members or elements. `used` is what stands before it. */
function broken(json: string, indent: string, used: number): string {
  if (used + json.length <= WIDTH) return json
  const inner = `${indent} `
  if (json.startsWith('{')) {
    const members = [...memberSources(json)].map(([name, value]) => {
      const key = `${JSON.stringify(name)}:`
      return key + broken(value, inner, inner.length + key.length + 2)
    })
    return `{${filled(members, inner, used + 1)}}`
  }
  const elements = json.startsWith('[') && elementSources(json, Infinity)
  if (!elements) return json
  const kept = elements.length > LONGEST_LIST ? ['"…"', ...elements.slice(-1)] : elements
  const parts = kept.map((element) => `\n${inner}${broken(element, inner, inner.length + 3)}`)
  return `[${parts.join(',')}]`
}

/** As many members in a line as fit; what is broken itself has its lines alone. */
function filled(members: string[], indent: string, used: number): string {
  const lines: string[] = []
  for (const [index, member] of members.entries()) {
    const part = index < members.length - 1 ? `${member},` : member
    const joined = (lines.at(-1) ?? '') + part
    const room = WIDTH - (lines.length > 1 ? indent.length : used)
    if (lines.length > 0 && joined.length <= room && !joined.includes('\n'))
      lines[lines.length - 1] = joined
    else lines.push(part)
  }
  return lines.join(`\n${indent}`)
}

/** What differs from run to run, and the kind that stands for it when two answers are compared. */
const VARYING: [RegExp, string][] = [
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '<time>'],
  [/[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g, '<uuid>'],
  [/(?<="next_cursor":")[\w-]+/g, '<cursor>'],
  [/(?<="token":")\d+\.[\w-]{22}(?=")/g, '<token>'],
  [/(?<="lease":")[\w-]{22}(?=")/g, '<lease>'],
  [/(?<="(?:processing_rate|oldest_unstored_seconds|oldest_ready_seconds)":)[\d.]+/g, '<number>'],
  [/(?<=oldest_ready_seconds\{[^}]*\} )[\d.]+/g, '<number>'],
  [/\b\d+ ms$/gm, '<number> ms'],
  // The minute may be over by now.
  [/(?<="minute":"<time>"[^}]*:)\d+/g, '<number>'],
]

/** The answer with all that varies named by its kind. JSON is laid out anew: a token's white space does not count. */
export function comparable(answer: string): string {
  const isJson = /^[{[]/m.test(answer)
  const laidOut = (_: string, quoted?: string, comma?: string) => quoted ?? (comma ? ',\n' : '')
  const text = isJson ? answer.replaceAll(/("(?:[^"\\]|\\.)*")|(,)|\s+/g, laidOut) : answer
  return VARYING.reduce((named, [pattern, kind]) => named.replaceAll(pattern, kind), text)
}
