/** A media type from a header (RFC 9110 §8.3.1). */
export interface MediaType {
  /** The type in lower case, without parameters; empty when there is none. */
  type: string
  /** The parameters' values by their names, which are in lower case. */
  parameters: ReadonlyMap<string, string>
}

const NO_PARAMETERS: MediaType['parameters'] = new Map()

export function parseMediaType(text: string | null): MediaType {
  if (!text?.includes(';'))
    return { type: text?.trim().toLowerCase() ?? '', parameters: NO_PARAMETERS }
  const [type = '', ...rest] = text.split(';')
  const parameters = rest.map((each): [string, string] => {
    const [name = '', value = ''] = each.split('=')
    return [name.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, '$1')]
  })
  return { type: type.trim().toLowerCase(), parameters: new Map(parameters) }
}

/** Reads the media type of a request's body, without its parameters. */
export function mediaTypeOf({ headers }: Pick<Request, 'headers'>): string {
  return parseMediaType(headers.get('Content-Type')).type
}

/** Says whether a media type is JSON (RFC 6839 §3.1). */
export function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || mediaType.endsWith('+json')
}
