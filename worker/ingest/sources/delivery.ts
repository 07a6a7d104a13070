/** What a sender posted: all that its proof may cover. */
export interface Delivery {
  method: string
  /** Of the request, as the Worker has it. */
  url: string
  headers: Headers
  /** As it came: signatures cover each byte, a byte order mark too. */
  body: Uint8Array
  /** What stands behind the source's name in the path. */
  token?: string | null
}

/** The first of the headers that is there, without blanks around it; null for none, and for one that is empty. */
export function firstHeader(headers: Headers, names: readonly string[]): string | null {
  for (const name of names) {
    const value = headers.get(name)?.trim()
    if (value) return value
  }
  return null
}
