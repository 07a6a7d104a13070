import { readFileSync } from 'node:fs'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import spectral from '@stoplight/spectral-core'
import { oas } from '@stoplight/spectral-rulesets'
import { describe, expect, test } from 'vitest'
import { SCOPES } from '../../shared/tokens'
import { problemsInCode } from '../support/code'
import { checkExchange, METHODS, openapi, paths } from '../support/openapi'

const source = readFileSync('public/openapi.json', 'utf8')

describe('openapi.json', () => {
  test('has nothing that Redocly complains of', async () => {
    const config = await createConfig({ extends: ['recommended-strict'] })
    const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config })
    const told = problems.map(
      ({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`,
    )
    expect(told).toEqual([])
  })

  test('has nothing that Spectral complains of', async () => {
    const linter = new spectral.Spectral()
    linter.setRuleset(new spectral.Ruleset(oas))
    const problems = await linter.run(source)
    const told = problems.map(({ code, message, path }) => `${code}: ${message} ${path.join('.')}`)
    expect(told).toEqual([])
  })

  test('says of every object which members it has, and lets any in only where data is the sender’s own', () => {
    const open: string[] = []
    const unsaid: string[] = []
    const visit = (node: unknown, at: string): void => {
      if (typeof node !== 'object' || node === null) return
      if ('type' in node && [node.type].flat().includes('object')) {
        if (!('additionalProperties' in node)) unsaid.push(at)
        else if (node.additionalProperties !== false) open.push(at)
      }
      for (const [name, each] of Object.entries(node))
        if (!/^examples?$/.test(name)) visit(each, `${at}/${name}`)
    }
    visit(openapi, '')
    expect(unsaid).toEqual([])
    expect(open).toEqual([
      expect.stringMatching(/^\/paths\/\/inbox\/get\/parameters\/\d+\/schema$/),
      '/components/schemas/NewEvent/properties/payload',
      '/components/schemas/NewEvent/properties/metadata',
      '/components/schemas/CloudEvent',
      '/components/schemas/Event/properties/payload',
      '/components/schemas/Event/properties/metadata',
      ...['ClaimedEvent', 'EventWithTimeline'].flatMap((name) => [
        `/components/schemas/${name}/properties/payload`,
        `/components/schemas/${name}/properties/metadata`,
      ]),
    ])
  })

  test('names the scope that each route asks for', () => {
    const routes = readFileSync('worker.ts', 'utf8').matchAll(
      /^ {2}\.(\w+)\('(\/[^']*)', (?:allow\('(\w+)'\)|(identify))?/gm,
    )
    const each = (...scopes: string[]) => scopes.map((scope) => ({ [scope]: [] }))
    const asked = [...routes].map(([, method, path, scope, anyToken]) => [
      `${method} ${path?.replaceAll(/:(\w+)/g, '{$1}')}`,
      scope ? each(scope) : anyToken ? each(...SCOPES) : [],
    ])
    const documented = Object.entries(paths).flatMap(([path, item]) =>
      METHODS.flatMap((method) =>
        item[method] ? [[`${method} ${path}`, item[method].security]] : [],
      ),
    )
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(asked))
  })

  test('has every code of a problem, under its status, and no other', () => {
    const documented = Object.values(openapi.components.responses ?? {}).flatMap((response) => {
      const [, status, codes] =
        /"status":\{"const":(\d+)\},"code":\{"type":"string","enum":\[([^\]]*)\]/.exec(
          JSON.stringify(response),
        ) ?? []
      return JSON.parse(`[${codes}]`).map((code: string) => `${status} ${code}`)
    })
    expect(documented.toSorted()).toEqual(problemsInCode())
  })
})

describe('what holds requests and answers against it', () => {
  const time = '2026-11-21T04:13:16.574Z'
  const traced = { 'Content-Type': 'application/json', 'X-Correlation-ID': 'trace-1' }
  const event = { payload: { order: 17 } }
  const accepted = { data: { event_id: 'a', status: 'accepted', timestamp: time }, timestamp: time }
  const missing = {
    type: 'about:blank',
    title: 'Not Found',
    status: 404,
    detail: 'No.',
    code: 'EVENT_NOT_FOUND',
    correlation_id: 'trace-1',
    timestamp: time,
  }
  const problem = { ...traced, 'Content-Type': 'application/problem+json' }

  const exchange = (
    target: string,
    status: number,
    body: unknown,
    headers: Record<string, string> = traced,
    sent: unknown = event,
    sentHeaders: Record<string, string> = traced,
  ) => {
    const [method = '', path = ''] = target.split(' ')
    const request = {
      method,
      url: new URL(path, 'http://localhost'),
      headers: new Headers(sentHeaders),
      body: method === 'POST' ? JSON.stringify(sent) : null,
    }
    const text = JSON.stringify(body)
    return () => checkExchange(request, new Response(text, { status, headers }), text)
  }

  test('lets through what is described', () => {
    exchange('POST /events', 202, accepted)()
    exchange('POST /events', 202, accepted, traced, 'any', { ...traced, 'ce-id': '1' })()
    exchange('GET /inbox/a', 404, missing, problem)()
    exchange('GET /nowhere', 404, { ...missing, code: 'NOT_FOUND' }, problem)()
  })

  test.for<[string, () => void, string]>([
    ['a status', exchange('POST /events', 201, accepted), 'no such status'],
    ['a status of another path', exchange('GET /inbox', 404, missing, problem), 'no such status'],
    ['a media type', exchange('POST /events', 202, accepted, problem), 'no such media type'],
    ['a member', exchange('POST /events', 202, { ...accepted, more: 1 }), 'additional properties'],
    [
      'a code',
      exchange('GET /inbox/a', 404, { ...missing, code: 'STATUS_CONFLICT' }, problem),
      'allowed values',
    ],
    ['a header', exchange('POST /events', 202, accepted, { ...traced, 'X-More': '1' }), 'x-more'],
    [
      'an answer without a header that is always there',
      exchange('POST /events', 202, accepted, { 'Content-Type': 'application/json' }),
      'X-Correlation-ID is missing',
    ],
    [
      'a method that nobody has, with the answer to another',
      exchange('POST /health', 405, missing, { ...problem, Allow: 'GET' }),
      'must be equal to constant',
    ],
    [
      'a taken body',
      exchange('POST /events', 202, accepted, traced, { payload: 17 }),
      'must be object',
    ],
    [
      'a taken media type',
      exchange('POST /events', 202, accepted, traced, event, { 'Content-Type': 'text/csv' }),
      'no such media type',
    ],
  ])('refuses %s that is not', ([, check, why]) => {
    expect(check).toThrow(why)
  })
})
