import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { unstable_readConfig } from 'wrangler'
import { LIMITS } from '../../shared/limits'
import { GENERIC } from '../../shared/senders/generic'
import type { SourceType } from '../../shared/source-types'
import { SENDERS } from '../../shared/sources'
import { REASONS } from '../../worker/ingest/sources/verify'
import { scripts } from '../../package.json'
import { problemsInCode, SOURCES } from '../support/code'
import { openapi } from '../support/openapi'
import { anchorsOf, blocksOf, linksOf, PAGES, readPage, tableUnder } from '../support/pages'

/** What pages say of the code that no command shows: routes, codes, variables, limits, scripts; where links lead. */

const api = readPage('docs/api.md')
const readme = readPage('README.md')
/** The first thing in backticks of each cell of a column. */
const names = (rows: string[][], column = 0) =>
  rows.map((row) => /`([^`]+)`/.exec(row[column] ?? '')?.[1] ?? row[column])

describe.each(PAGES)('%s', (name) => {
  const page = readPage(name)

  test('has no line over 120 characters', () => {
    const long = page.split('\n').flatMap((line, at) => ([...line].length > 120 ? [at + 1] : []))
    expect(long).toEqual([])
  })

  test('has links that lead somewhere', () => {
    const broken = linksOf(page).filter((target) => {
      const [path, anchor] = target.split('#')
      const file = path ? join(dirname(name), path) : name
      if (!existsSync(file)) return true
      return anchor !== undefined && !anchorsOf(readPage(file)).includes(anchor)
    })
    expect(broken).toEqual([])
  })

  test('names scripts that there are', () => {
    const named = [...page.matchAll(/npm run ([\w:]+)/g)].map(([, script]) => script)
    expect(named.filter((script) => !Object.hasOwn(scripts, script ?? ''))).toEqual([])
  })
})

test('every page can be reached from the README', () => {
  const reached = new Set(['README.md'])
  for (const name of reached) {
    for (const target of linksOf(readPage(name))) {
      const file = join(dirname(name), target.split('#')[0] ?? '')
      if (file.endsWith('.md')) reached.add(file)
    }
  }
  expect(PAGES.filter((name) => !reached.has(name))).toEqual([])
})

test('docs/api.md lists the routes of the worker, which are those of openapi.json', () => {
  const routes = readFileSync('worker.ts', 'utf8').matchAll(/\.(get|post|delete)\('(\/\S*?)'/g)
  const ofWorker = [...routes].map(([, method = '', path]) => `${method.toUpperCase()} ${path}`)
  const ofDocument = Object.entries(openapi.paths).flatMap(([path, operations]) =>
    Object.keys(operations)
      .filter((method) => ['get', 'post', 'delete'].includes(method))
      .map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  )
  expect(names(tableUnder(api, '## Requests')).toSorted()).toEqual(ofWorker.toSorted())
  expect(ofDocument.toSorted()).toEqual(ofWorker.toSorted())
})

test('docs/api.md lists every code of a problem under its status', () => {
  const listed = tableUnder(api, '## Problems').flatMap(([statuses = '', codes = '']) => {
    const groups = codes.split(';')
    return statuses.split(', ').flatMap((status, index) => {
      // "401, 403" and "`A`; `B`": as many groups of codes as statuses.
      const own = statuses.includes(',') ? (groups[index] ?? '') : codes
      return [...own.matchAll(/`([A-Z_0-9]+)`/g)].map(([, code]) => `${status} ${code}`)
    })
  })
  expect(listed.toSorted()).toEqual(problemsInCode())
})

test('docs/operating.md lists every message of the log', () => {
  // The second argument: a message, or a choice of two. Some are put together, and those are not looked for.
  const written = SOURCES.flatMap((source) =>
    [...source.matchAll(/\blog(?:Once)?\(\s*[^,]+,\s*([^,)]+)/g)].flatMap(([, message = '']) =>
      [...message.matchAll(/'([^']+)'/g)].map(([, each]) => each),
    ),
  )
  const listed = names(tableUnder(readPage('docs/operating.md'), '## Logs'))
  expect(listed.toSorted()).toEqual([...new Set(written)].toSorted())
})

test('docs/api.md gives the numbers of shared/limits.ts, and no others', () => {
  const shown = tableUnder(api, '## Limits').flatMap(([, limit = '']) =>
    [...limit.matchAll(/\d([\d,.]*\d)?( [KM]i?B)?/g)].map(([quantity]) => quantity),
  )
  const sizes: [number, string][] = [
    [1e5, 'MB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ]
  const quantities = Object.entries(LIMITS).map(([name, value]) => {
    const [step, unit] =
      (name.endsWith('BYTES') && sizes.find(([size]) => value % size === 0)) || []
    if (!step) return value.toLocaleString('en')
    return `${unit === 'MB' ? value / 1e6 : value / step} ${unit}`
  })
  expect([...new Set(shown)].toSorted()).toEqual([...new Set(quantities)].toSorted())
})

test('the README lists every variable, secret and optional binding, with the defaults of wrangler.jsonc', () => {
  const types = ['worker-configuration.d.ts', 'shared/env.d.ts'].map((file) =>
    readFileSync(file, 'utf8'),
  )
  const configured = types.flatMap((source) =>
    [...source.matchAll(/^\s+([A-Z_]+)\??: (?:string\b|RateLimit\b|unknown\[\])/gm)].map(
      ([, name]) => name,
    ),
  )
  const rows = tableUnder(readme, '## Configuration')
  expect(names(rows).toSorted()).toEqual([...new Set(configured)].toSorted())
  const { vars } = unstable_readConfig({ config: 'wrangler.jsonc' })
  const variables = rows.filter(([, kind]) => kind === 'variable')
  const defaults = Object.entries(vars).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  expect(Object.fromEntries(variables.map((row) => [names([row])[0], names([row], 3)[0]]))).toEqual(
    Object.fromEntries(defaults),
  )
})

test('docs/sources.md lists every type, who never sends again, and every reason of a refusal', () => {
  const page = readPage('docs/sources.md')
  const types = [...Object.keys(SENDERS), ...Object.keys(GENERIC)]
  const generic = names(tableUnder(page, '## Generic types'))
  expect([...names(tableUnder(page, '## Senders')), ...generic].toSorted()).toEqual(
    types.toSorted(),
  )
  const known = Object.entries<SourceType>(SENDERS)
  const silent = known.flatMap(([type, { retries }]) => (retries === false ? [type] : []))
  const rows = tableUnder(page, '### Their secrets, and whether they send again')
  expect(names(rows).toSorted()).toEqual(Object.keys(SENDERS).toSorted())
  expect(names(rows.filter(([, , again = '']) => again.startsWith('**no'))).toSorted()).toEqual(
    silent.toSorted(),
  )
  expect(names(tableUnder(page, '## Refused deliveries'))).toEqual(REASONS)
  const members = names(tableUnder(page, '### Members of `hmac`'))
  expect([...members, 'id', 'event_type'].toSorted()).toEqual(GENERIC.hmac.options.toSorted())
})

test('CONTRIBUTING.md lists every script', () => {
  const listed = names(tableUnder(readPage('CONTRIBUTING.md'), '## Commands'))
  const commands = Object.keys(scripts).map((script) =>
    ['start', 'test'].includes(script) ? `npm ${script}` : `npm run ${script}`,
  )
  expect(listed.toSorted()).toEqual(commands.toSorted())
})

test('docs/dashboard.md lists the properties, parts and events of the element', () => {
  const page = readPage('docs/dashboard.md')
  const elements = globSync('dashboard/*.ts')
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
  const found = (pattern: RegExp) =>
    [...new Set([...elements.matchAll(pattern)].map(([, name]) => name))].toSorted()
  const rows = (head: string) => names(tableUnder(page.replace(`| ${head} |`, '\n#t\n$&'), '#t'))
  expect(rows('Custom property').toSorted()).toEqual(found(/@cssproperty (--\S+)/g))
  expect(rows('Part').toSorted()).toEqual(found(/part="(\w+)"/g))
  expect(rows('Event').toSorted()).toEqual(found(/#tell\('(\S+)'/g))
})

test('docs/dashboard.md embeds the element as the example page does', () => {
  const blocks = blocksOf(readPage('docs/dashboard.md')).filter(
    ({ language }) => language === 'html',
  )
  const example = readFileSync('examples/embed.html', 'utf8').replaceAll(/\s+/g, ' ')
  for (const { text } of blocks)
    for (const line of text.split('\n'))
      expect(example).toContain(line.replaceAll(/\s+/g, ' ').trim())
})
