/** Forms, `application/x-www-form-urlencoded` (URL Standard §5). No I/O; nothing is refused. */

/** The fields in their order. What is not UTF-8 is read as Windows-1252, which has a character for each byte. */
export function parseForm(text: string): [string, string][] {
  return text
    .split('&')
    .filter((field) => field !== '')
    .map((field) => {
      const equals = field.indexOf('=')
      return equals === -1
        ? [decodeField(field), '']
        : [decodeField(field.slice(0, equals)), decodeField(field.slice(equals + 1))]
    })
}

function decodeField(text: string): string {
  const spaced = text.replaceAll('+', ' ')
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return decodeBytewise(spaced)
  }
}

const encoder = new TextEncoder()
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const windows1252 = new TextDecoder('windows-1252')

/** Leaves a percent sign that encodes nothing as it is. */
function decodeBytewise(text: string): string {
  const encoded = encoder.encode(text)
  const bytes: number[] = []
  for (let at = 0; at < encoded.length; at++) {
    const pair = /^%[0-9a-fA-F]{2}$/.exec(String.fromCharCode(...encoded.subarray(at, at + 3)))?.[0]
    bytes.push(pair ? Number.parseInt(pair.slice(1), 16) : (encoded[at] ?? 0))
    if (pair) at += 2
  }
  const decoded = Uint8Array.from(bytes)
  try {
    return utf8.decode(decoded)
  } catch {
    return windows1252.decode(decoded)
  }
}

/** The fields as an object without a prototype to be reached by a name; a field that comes several times is an array. */
export function formPayload(fields: readonly [string, string][]): {
  payload: string
  value: Record<string, unknown>
} {
  const values = new Map<string, string[]>()
  for (const [name, value] of fields) {
    const known = values.get(name)
    if (known) known.push(value)
    else values.set(name, [value])
  }
  const value: Record<string, unknown> = Object.create(null)
  const members: string[] = []
  for (const [name, all] of values) {
    const one = all.length === 1 ? all[0] : all
    value[name] = one
    members.push(`${JSON.stringify(name)}:${JSON.stringify(one)}`)
  }
  return { payload: `{${members.join(',')}}`, value }
}
