/** Marks text that is JSON already; `jsonOf` puts it into other JSON unchanged. */
export class JsonText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/**
 * Writes an object as JSON text; members that are undefined are left out.
 * @example jsonOf({ event_id: 'a', payload: new JsonText('{"n": 1.0}') }) // {"event_id":"a","payload":{"n": 1.0}}
 */
export function jsonOf(members: Record<string, unknown>): string {
  const shown = Object.entries(members).flatMap(([name, value]) => {
    if (value === undefined) return []
    const text = value instanceof JsonText ? value.text : JSON.stringify(value)
    return [`${JSON.stringify(name)}:${text}`]
  })
  return `{${shown.join(',')}}`
}

/** Says whether a JSON value is an object, not a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
