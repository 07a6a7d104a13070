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
  const decoded = new Uint8Array(text.length * 3)
  let size = 0
  for (const [part] of text.matchAll(/%[0-9a-f]{2}|[^%]+|%/gi)) {
    const byte = part.length === 3 && part[0] === '%' ? Number.parseInt(part.slice(1), 16) : null
    if (byte === null) size += encoder.encodeInto(part, decoded.subarray(size)).written
    else decoded[size++] = byte
  }
  try {
    return utf8.decode(decoded.subarray(0, size))
  } catch {
    return windows1252.decode(decoded.subarray(0, size))
  }
}

/**
 * The fields as an object; one that comes several times is an array.
 * It has no prototype, so that no name reaches one.
 */
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
