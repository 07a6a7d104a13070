import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readSources, secretVariable, SOURCE_TYPES, sourceNamed } from '../../../shared/sources'
import { OTHER, read, secretsOf } from './configuration'

/** The configuration of sources, and what is said of one that is wrong. */

const GITHUB = { name: 'github', type: 'github' }
const SECRETS = { SOURCE_SECRETS: JSON.stringify({ other: ['x'] }) }

describe('sources', () => {
  test('are none where none are configured', () => {
    for (const env of [
      {},
      { SOURCES: '' },
      { SOURCES: [] },
      { SOURCES: '[]', SOURCE_SECRETS: '' },
    ]) {
      const sources = readSources(env)
      expect(sources).toEqual({ named: new Map(), unreadable: false, mistakes: [], warnings: [] })
      expect(sourceNamed(sources, 'github')).toBeUndefined()
    }
  })

  test('are read from JSON and from its text, with several secrets', () => {
    for (const SOURCES of [[GITHUB], JSON.stringify([GITHUB])]) {
      const sources = readSources({ SOURCES, SOURCE_SECRETS: '{"github":["new","old"]}' })
      expect(sources).toMatchObject({ mistakes: [], warnings: [] })
      expect(secretsOf(sources, 'github')).toEqual(['new', 'old'])
      expect(sourceNamed(sources, 'github')).toMatchObject({
        name: 'github',
        type: 'github',
        row: { label: 'GitHub' },
        verifyToken: null,
        url: null,
      })
    }
  })

  test('have a variable each for their secrets, in every form, beside the common one', () => {
    expect(secretVariable('our-2nd-shop')).toBe('SOURCE_SECRET_OUR_2ND_SHOP')
    for (const [given, secrets] of [
      ['bare secret\n', ['bare secret']],
      ['"quoted"', ['quoted']],
      ['["a","b"]', ['a', 'b']],
      ['{"secrets":["c"]}', ['c']],
      ['12345678', ['12345678']],
    ] as const) {
      const sources = readSources({
        SOURCES: [{ name: 'our-shop', type: 'shopify' }],
        SOURCE_SECRETS: '{"our-shop":["old"]}',
        SOURCE_SECRET_OUR_SHOP: given,
      })
      expect(secretsOf(sources, 'our-shop')).toEqual([...secrets, 'old'])
    }
  })

  test('take the options of their type', () => {
    const { named, mistakes } = readSources({
      SOURCES: [
        { name: 'a', type: 'linear', tolerance: 3600, url: 'https://a.example/in/a?x=1' },
        { name: 'b', type: 'hmac', header: 'X-MAC', secret_encoding: 'base64', id: '/a~1b/0' },
        { name: 'c', type: 'unverified', id: 'header:X-Id' },
      ],
      SOURCE_SECRETS: '{"a":"x","b":["/+8="]}',
    })
    expect(mistakes).toEqual([])
    expect(named.get('a')).toMatchObject({
      url: 'https://a.example/in/a?x=1',
      row: { schemes: [{ timestamp: { tolerance: 3600 } }] },
    })
    expect(named.get('b')).toMatchObject({
      row: { schemes: [{ headers: ['x-mac'], encoding: 'hex' }], ids: ['/a~1b/0'] },
      secrets: [{ bytes: Uint8Array.of(0xff, 0xef) }],
    })
    expect(named.get('c')).toMatchObject({ secrets: [], row: { ids: ['header:x-id'] } })
  })

  test('that are unverified are right, and warned of', () => {
    const { mistakes, warnings } = readSources({ SOURCES: [{ name: 'any', type: 'unverified' }] })
    expect(mistakes).toEqual([])
    expect(warnings).toEqual(['SOURCES: "any" is unverified: whoever knows its URL can post there'])
  })

  test('of Meta have a verify token', () => {
    const sources = read({ type: 'meta' }, { secrets: ['x'], verify_token: 'y' })
    expect(sources.mistakes).toEqual([])
    expect(sources.named.get('it')?.verifyToken?.bytes).toEqual(Uint8Array.of(0x79))
  })
})

describe('what is wrong', () => {
  test.each(['{', '{}', 'github', 7, null, { github: 1 }])(
    'with SOURCES as a whole stops all: %j',
    (SOURCES) => {
      const sources = readSources({ SOURCES, ...SECRETS })
      expect(sourceNamed(sources, 'github')).toBeNull()
      expect(sources.mistakes).toEqual([
        'SOURCES is not a JSON array such as [{"name": "github", "type": "github"}]',
      ])
    },
  )

  test('with SOURCE_SECRETS as a whole stops those that have no secret of their own', () => {
    for (const SOURCE_SECRETS of ['["S3CRET"]', '{"S3CRET', 7]) {
      const sources = readSources({
        SOURCES: [GITHUB, OTHER],
        SOURCE_SECRETS,
        SOURCE_SECRET_OTHER: 'x',
      })
      expect(sourceNamed(sources, 'github')).toBeNull()
      expect(sourceNamed(sources, 'other')).not.toBeNull()
      expect(sources.mistakes).toEqual([
        'SOURCE_SECRETS is not a JSON object such as {"github": ["new", "old"]}',
        expect.stringContaining('"github" has no secret'),
      ])
    }
  })

  test.each([
    [{ type: undefined }, 'has no type'],
    [{ type: 'githbu' }, 'has a type that is not known; did you mean github?'],
    [{ type: 'fax' }, 'known are github, '],
    [{ type: 'github', tolerance: 60 }, 'it can have name, type, url'],
    [
      { type: 'github', secret: 'S3CRET' },
      'has a member that its type does not have, "secret"; it can have',
    ],
    [{ type: 'stripe', tolerence: 60 }, 'did you mean tolerance?'],
    [{ type: 'stripe', tolerance: '60' }, 'no number of seconds from 1 to 604800'],
    [{ type: 'stripe', tolerance: 0 }, 'no number of seconds from 1 to 604800'],
    [{ type: 'square', url: 'inbox.example' }, 'has a url that is none such as https://'],
    [{ type: 'hmac' }, 'header is not the name of a header'],
    [{ type: 'hmac', header: 'X Mac' }, 'header is not the name of a header'],
    [{ type: 'hmac', header: 'X-Mac', algorithm: 'md5' }, 'none of sha1, sha256, sha384, sha512'],
    [{ type: 'hmac', header: 'X-Mac', encoding: 'utf8' }, 'none of hex, base64, base64url'],
    [{ type: 'hmac', header: 'X-Mac', signed: '{url}' }, 'signed has no {body}'],
    [{ type: 'hmac', header: 'X-Mac', signed: '{body}{x}' }, 'signed may have {id}'],
    [{ type: 'hmac', header: 'X-Mac', signed: '{id}{body}' }, 'so id has to say where'],
    [{ type: 'hmac', header: 'X-Mac', signed: '{timestamp}{body}' }, 'timestamp has to say where'],
    [{ type: 'hmac', header: 'X-Mac', tolerance: 60 }, 'tolerance is for a timestamp'],
    [{ type: 'hmac', header: 'X-Mac', timestamp: 'header:X-Time' }, 'that signed does not have'],
    [{ type: 'hmac', header: 'X-Mac', prefix: 7 }, 'prefix is not a short text'],
    [{ type: 'token', header: 'X-Key', id: 'X-Id' }, 'id is not "header:X-Name"'],
    [{ type: 'token', header: 'X-Key', event_type: '/a~2' }, 'event_type is not "header:X-Name"'],
  ])('with one source stops that one: %j', (entry, said) => {
    const sources = read(entry, ['S3CRET'])
    expect(sourceNamed(sources, 'it')).toBeNull()
    expect(sourceNamed(sources, 'other')).toMatchObject({ name: 'other' })
    expect(sources.mistakes).toEqual([expect.stringContaining(said)])
    expect(sources.mistakes[0]).not.toContain('S3CRET')
  })

  test('with a name is said by its place, and two of one name are both wrong', () => {
    const sources = readSources({
      SOURCES: [GITHUB, { name: 'Git Hub' }, 7, OTHER, { ...GITHUB, type: 'jira' }, GITHUB],
      SOURCE_SECRETS: '{"github":"x","other":"x"}',
    })
    expect(sourceNamed(sources, 'github')).toBeNull()
    expect(sourceNamed(sources, 'other')).toMatchObject({ name: 'other' })
    expect(sources.mistakes).toEqual([
      'SOURCES: entry 1 has no name of 1 to 64 characters of a-z 0-9 -',
      'SOURCES: entry 2 has no name of 1 to 64 characters of a-z 0-9 -',
      'SOURCES: "github" is the name of several',
      'SOURCES: "github" is the name of several',
    ])
  })

  test('never makes reading throw, and is never said with a secret', () => {
    const type = fc.constantFrom(...SOURCE_TYPES, 'x')
    const secret = fc.oneof(
      fc.constantFrom(
        'S3CRET',
        'whsec_S3CRET',
        'whpk_S3CRET',
        'S3:CRET',
        '["S3CRET"',
        '{"S3CRET":1}',
      ),
      fc.constantFrom(
        ['S3CRET'],
        { secrets: ['S3CRET'], verify_token: 'S3CRET' },
        { S3CRET: 1 },
        1,
      ),
    )
    const entry = fc.oneof(
      fc.record({ name: fc.constantFrom('a', 'b', 'B'), type, header: fc.json() }),
      fc.jsonValue(),
    )
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 4 }), secret, secret, (SOURCES, a, b) => {
        const SOURCE_SECRETS = JSON.stringify({ a, b })
        const { mistakes, warnings } = readSources({ SOURCES, SOURCE_SECRETS, SOURCE_SECRET_A: b })
        expect([...mistakes, ...warnings].join()).not.toMatch(/S3:?CRET/)
      }),
    )
  })
})
