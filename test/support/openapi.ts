import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'

/** Holds requests and answers against `public/openapi.json`. */

export const METHODS = ['get', 'head', 'post', 'delete'] as const

interface Parameter {
  name: string
  in: string
  schema: { enum?: string[]; minimum?: number; maximum?: number }
}

interface Media {
  schema: object
  example?: unknown
  examples?: Record<string, { value: unknown }>
}

interface Answer {
  headers?: Record<string, { required?: boolean; schema: object }>
  content?: Record<string, Media>
}

export interface Operation {
  security?: Record<string, string[]>[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, Answer>
}

type PathItem = Partial<Record<(typeof METHODS)[number], Operation>> & { parameters?: Parameter[] }

interface Document {
  paths: Record<string, PathItem>
  components: Record<string, Record<string, object>>
}

export interface Sent {
  method: string
  url: URL
  headers: Headers
  body: string | null
}

/** The document as the worker serves it. */
export const openapi: Document = JSON.parse(readFileSync('public/openapi.json', 'utf8'))

/** Its paths with every reference followed, but for those to schemas, which Ajv follows. */
export const { paths } = inlined(openapi)

function inlined<Node extends object>(node: Node): Node {
  return JSON.parse(JSON.stringify(node), (_key, value) => {
    if (typeof value?.$ref !== 'string') return value
    const [, , kind, name] = value.$ref.split('/')
    if (kind === 'schemas') return { ...value, $ref: `openapi${value.$ref}` }
    return inlined(openapi.components[kind]?.[name] ?? {})
  })
}

const options = { strict: false, formats: { 'date-time': true, date: true, uri: true } } as const
const ofJson = new Ajv2020(options)
// In a URL or a header, a number is text.
const ofText = new Ajv2020({ ...options, coerceTypes: true })
for (const ajv of [ofJson, ofText]) ajv.addSchema({ $id: 'openapi', ...openapi })

/** Paths in the document as patterns, those without parameters first. */
const templates = Object.entries(paths)
  .toSorted(([a], [b]) => Number(a.includes('{')) - Number(b.includes('{')))
  .map(([path, item]) => ({
    item,
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }))

/** Makes a request. @throws Error unless it and its answer are as the document describes them */
export async function checked(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init)
  const text = await response.clone().text()
  const { method = 'GET', body } = init
  const sent = { method, url: new URL(url), headers: new Headers(init.headers) }
  checkExchange({ ...sent, body: typeof body === 'string' ? body : null }, response, text)
  return response
}

/** @throws Error for an answer that is not described, and for a request that was taken and is not */
export function checkExchange(sent: Sent, response: Response, text: string): void {
  const items = templates
    .filter(({ pattern }) => pattern.test(sent.url.pathname))
    .map(({ item }) => item)
  const method = METHODS.find((each) => each.toUpperCase() === sent.method)
  const item = method && items.find((each) => each[method])
  const operation = method && item?.[method]
  const { status } = response
  // Files, and what browsers ask before they ask.
  if (!operation && status < 400) return
  try {
    const answer = operation
      ? operation.responses[status]
      : answerElsewhere([...items, ...Object.values(paths)], status)
    if (!answer) throw new Error('no such status')
    checkHeaders(answer, response.headers)
    if (sent.method !== 'HEAD') checkBody(answer.content ?? {}, response.headers, text)
    if (!operation || status >= 400) return
    checkParameters([...(item?.parameters ?? []), ...(operation.parameters ?? [])], sent)
    // What else is a multi-status for, than for what is not as described?
    if (sent.body && status !== 207 && !isForeign(sent.headers))
      checkBody(taken(operation.requestBody?.content ?? {}, sent.headers), sent.headers, sent.body)
  } catch (error) {
    const what = `${sent.method} ${sent.url.pathname} ${status}`
    const why = error instanceof Error ? error.message : String(error)
    throw new Error(`${what} is not what openapi.json says: ${why}\n${text.slice(0, 500)}`, {
      cause: error,
    })
  }
}

/** How the first operation that has this status describes it: no path, or no such method, is the same everywhere. */
function answerElsewhere(items: PathItem[], status: number): Answer | undefined {
  const operations = items.flatMap((item) => METHODS.flatMap((method) => item[method] ?? []))
  return operations.find(({ responses }) => responses[status])?.responses[status]
}

/** Headers that belong to HTTP, to caches, to browsers or to the token, and stand on any request or answer. */
const EVERYWHERE = new RegExp(
  '^(accept|access-control-.+|authorization|cache-control|connection|content-(encoding|length|type)|date|origin' +
    '|transfer-encoding|vary|x-content-type-options)$',
)

function checkHeaders({ headers: described = {} }: Answer, headers: Headers): void {
  for (const [name, { required, schema }] of Object.entries(described)) {
    const value = headers.get(name)
    if (value !== null) check(ofText, schema, value, name)
    else if (required) throw new Error(`the header ${name} is missing`)
  }
  const known = new Set(Object.keys(described).map((name) => name.toLowerCase()))
  for (const name of headers.keys())
    if (!known.has(name) && !EVERYWHERE.test(name)) throw new Error(`no such header: ${name}`)
}

/** OpenAPI has no pattern for media types either: any other that ends with `+json` is as `application/json`. */
function taken(content: Record<string, Media>, headers: Headers): Record<string, Media> {
  const mediaType = mediaTypeOf(headers)
  const json = content['application/json']
  return mediaType.endsWith('+json') && json ? { [mediaType]: json, ...content } : content
}

function mediaTypeOf(headers: Headers): string {
  return headers.get('Content-Type')?.split(';')[0]?.trim().toLowerCase() ?? ''
}

function checkBody(content: Record<string, Media>, headers: Headers, text: string) {
  const mediaType = mediaTypeOf(headers)
  const media = content[mediaType]
  if (!media) throw new Error(`no such media type: ${mediaType}`)
  check(ofJson, media.schema, /[/+]json$/.test(mediaType) ? JSON.parse(text) : text, 'the body')
}

function checkParameters(described: Parameter[], { url, headers }: Sent): void {
  const given = [
    ...[...url.searchParams].map(([name, value]) => ({ name, value, where: 'query' })),
    ...[...headers].map(([name, value]) => ({ name, value, where: 'header' })),
  ]
  for (const { name, value, where } of given) {
    const known = described.find(
      (each) => each.in === where && each.name.toLowerCase() === name.toLowerCase(),
    )
    if (known) check(ofText, known.schema, value, name)
    else if (!isDescribedInWords(name, where)) throw new Error(`no such ${where}: ${name}`)
  }
}

/** OpenAPI has no names with a pattern. */
function isDescribedInWords(name: string, where: string): boolean {
  return where === 'query'
    ? /^(payload\.|metadata\.|filter\[)/.test(name)
    : EVERYWHERE.test(name) || /^ce-[a-z0-9]+$/.test(name)
}

/** Whether the body is a binary CloudEvent's or a webhook's: of any shape. */
function isForeign(headers: Headers): boolean {
  return ['ce-specversion', 'ce-id', 'webhook-id', 'svix-id'].some((name) => headers.has(name))
}

function check(ajv: Ajv2020, schema: object, value: unknown, what: string): void {
  if (!ajv.validate(schema, value)) throw new Error(`${what}: ${ajv.errorsText(ajv.errors)}`)
}
