import { describe, expect } from 'vitest'
import { type Operation, paths } from '../support/openapi'
import { test } from '../support/world'

const operation = (path: string, method: 'get' | 'post'): Operation =>
  paths[path]?.[method] ?? { responses: {} }

describe('the worker takes what openapi.json describes', () => {
  test('every example of a new event, under its media type', async ({ inbox }) => {
    const content = Object.entries(operation('/events', 'post').requestBody?.content ?? {})
    expect(content.map(([mediaType]) => mediaType)).toEqual([
      'application/json',
      'application/x-ndjson',
      'application/ndjson',
      'application/jsonl',
      'application/cloudevents+json',
      'application/cloudevents-batch+json',
      '*/*',
    ])
    for (const [mediaType, { example, examples = {} }] of content) {
      const values = [
        ...(example ? [example] : []),
        ...Object.values(examples).map((each) => each.value),
      ]
      expect([mediaType, values.length]).not.toEqual([mediaType, 0])
      for (const value of values) {
        const binary = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/a', 'ce-type': 'b' }
        const { status, body } = await inbox.post(value, {
          'Content-Type': mediaType.replace('*/*', 'text/plain'),
          ...(mediaType === '*/*' && binary),
        })
        // The batch of CloudEvents has the event that came alone before.
        const results = [body.data].flat().map((each) => each.status)
        expect([mediaType, status, results]).toEqual(
          mediaType === 'application/cloudevents-batch+json'
            ? [mediaType, 207, ['duplicate']]
            : [mediaType, 202, results.map(() => 'accepted')],
        )
      }
    }
  })

  test.for(['/inbox', '/dlq', '/metrics'])(
    'every value that it lists of a parameter of GET %s, and all numbers within their bounds, and no other',
    async (path, { inbox }) => {
      const statusOf = async (name: string, value: string | number) =>
        `${name}=${value}: ${(await inbox.get(`${path}?${name}=${value}`)).status}`
      for (const { name, in: where, schema } of operation(path, 'get').parameters ?? []) {
        if (where !== 'query') continue
        for (const value of schema.enum ?? [])
          expect(await statusOf(name, value)).toBe(`${name}=${value}: 200`)
        if (schema.enum) expect(await statusOf(name, 'other')).toBe(`${name}=other: 400`)
        const { minimum, maximum } = schema
        if (minimum !== undefined) {
          expect(await statusOf(name, minimum)).toBe(`${name}=${minimum}: 200`)
          expect(await statusOf(name, minimum - 1)).toBe(`${name}=${minimum - 1}: 400`)
        }
        if (maximum !== undefined) {
          expect(await statusOf(name, maximum)).toBe(`${name}=${maximum}: 200`)
          expect(await statusOf(name, maximum + 1)).toBe(`${name}=${maximum + 1}: 400`)
        }
      }
    },
  )

  test('and answers each wrong line of a batch with a code that it lists', async ({ inbox }) => {
    const lines = [
      '{"payload": 1}',
      '{"payload": {}',
      `{"payload": {"deep": ${'['.repeat(101)}${']'.repeat(101)}}}`,
      `{"payload": {"long": "${'x'.repeat(1_048_576)}"}}`,
      '{"payload": {}}',
    ]
    const { status, body } = await inbox.call<{ error?: { code: string } }[]>(
      'POST',
      '/events',
      lines.join('\n'),
      { 'Content-Type': 'application/x-ndjson' },
    )
    expect([status, body.data.map(({ error }) => error?.code)]).toEqual([
      207,
      ['INVALID_EVENT', 'INVALID_JSON', 'NESTING_TOO_DEEP', 'CONTENT_TOO_LARGE', undefined],
    ])
  })
})
