import { readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'

interface Operation {
  responses: Record<string, { $ref?: string; content?: Record<string, unknown> }>
}

/** The document as the worker serves it. */
export const openapi: {
  paths: Record<string, Record<string, Operation>>
  components: { responses: Record<string, { content: Record<string, unknown> }> }
} = JSON.parse(readFileSync('public/openapi.json', 'utf8'))

const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true, date: true } })
ajv.addSchema({ $id: 'openapi', ...openapi })
const validators = new Map<string, ValidateFunction>()

/** Paths in the document as patterns, those without parameters first. */
const templates = Object.keys(openapi.paths)
  .toSorted((a, b) => Number(a.includes('{')) - Number(b.includes('{')))
  .map((path) => ({ path, pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`) }))

/** Which schema of the document an answer must fit, or undefined for a path or method that is not in it. */
function schemaOf(
  method: string,
  pathname: string,
  status: number,
  mediaType: string,
): string | undefined {
  const path = templates.find(({ pattern }) => pattern.test(pathname))?.path
  const operation = path && openapi.paths[path]?.[method.toLowerCase()]
  if (!path || !operation) return undefined
  const response = operation.responses[status]
  if (!response) throw new Error(`openapi.json has no ${status} for ${method} ${path}`)
  const escaped = (text: string) => text.replaceAll('~', '~0').replaceAll('/', '~1')
  const base =
    response.$ref ?? `#/paths/${escaped(path)}/${method.toLowerCase()}/responses/${status}`
  const content = response.$ref
    ? openapi.components.responses[response.$ref.split('/').at(-1) ?? '']?.content
    : response.content
  if (!content?.[mediaType])
    throw new Error(`openapi.json has no ${mediaType} for ${method} ${path} ${status}`)
  return `openapi${base}/content/${escaped(mediaType)}/schema`
}

/** @throws Error when the document does not allow the answer */
export function checkAnswer(
  method: string,
  pathname: string,
  status: number,
  contentType: string | null,
  text: string,
): void {
  const mediaType = contentType?.split(';')[0] ?? ''
  const schema = schemaOf(method, pathname, status, mediaType)
  if (!schema || !mediaType.endsWith('json')) return
  const validate = validators.get(schema) ?? ajv.compile({ $ref: schema })
  validators.set(schema, validate)
  if (!validate(JSON.parse(text))) {
    throw new Error(
      `${method} ${pathname} ${status} is not what openapi.json says: ${ajv.errorsText(validate.errors)}\n${text.slice(0, 500)}`,
    )
  }
}
