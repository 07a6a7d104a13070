import { describe, expect, test } from 'vitest'
import { readSources, sourceNamed } from '../../../shared/sources'
import { read, secretsOf } from './configuration'
import { ed25519, p256, WHSEC, whpk } from './deliveries'

/** Secrets as senders write them. */

const GITHUB = { name: 'github', type: 'github' }

describe('a secret', () => {
  const spki = (p256() as { configured: string }).configured
  const pem = `-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----`

  test.each([
    ['stripe', WHSEC[0], WHSEC[0]],
    ['standard-webhooks', WHSEC[0], 'its own secret'],
    ['standard-webhooks', WHSEC[0].slice(6), 'its own secret'],
    ['gitlab', 'plain', 'plain'],
    ['gitlab', WHSEC[0], 'its own secret'],
    ['sendgrid', spki, Buffer.from(spki, 'base64').toString('latin1')],
    ['sendgrid', pem, Buffer.from(spki, 'base64').toString('latin1')],
    ['basic', 'me:it:self', 'me:it:self'],
  ])('of %s is decoded as its sender writes it: %s', (type, secret, bytes) => {
    expect(secretsOf(read({ type }, [secret]), 'it')).toEqual([bytes])
  })

  test('belongs to the scheme that takes its form', () => {
    const schemes = (type: string, secrets: string[]) =>
      read({ type }, secrets)
        .named.get('it')
        ?.secrets.map(({ scheme }) => scheme)
    expect(schemes('gitlab', ['plain', WHSEC[0]])).toMatchObject([
      { kind: 'token' },
      { kind: 'signature' },
    ])
    expect(schemes('standard-webhooks', [WHSEC[0], whpk().configured])).toMatchObject([
      { algorithm: 'HMAC-SHA-256' },
      { algorithm: 'Ed25519' },
    ])
  })

  test.each([
    [
      'github',
      undefined,
      'has no secret: neither SOURCE_SECRETS nor SOURCE_SECRET_IT has one for it',
    ],
    ['github', [], 'has no secret: neither SOURCE_SECRETS nor SOURCE_SECRET_IT has one for it'],
    ['github', [''], 'has an empty secret'],
    ['github', ['S3CRET '], 'has a secret with blanks around it'],
    ['github', Array(11).fill('S3CRET'), 'has more than 10 secrets'],
    ['github', ['S3CRET', 1], 'has secrets that cannot be read: SOURCE_SECRETS is not a list'],
    [
      'github',
      { secret: 'S3CRET' },
      'has secrets that cannot be read: SOURCE_SECRETS is not a list',
    ],
    ['github', { secrets: ['S3CRET'], verify_token: 'S3CRET' }, 'which is for meta alone'],
    ['meta', ['S3CRET'], 'needs {"secrets": […], "verify_token": "…"}'],
    ['meta', { secrets: ['S3CRET'], verify_token: '' }, 'has an empty secret'],
    ['standard-webhooks', ['whsec_S3CRET!'], 'not base64, with or without "whsec_"'],
    ['standard-webhooks', ['whpk_S3CRET=='], 'not an Ed25519 key: base64 of 32 bytes'],
    ['gitlab', ['whsec_S3CRET!'], 'not base64 behind "whsec_"'],
    ['gitlab', ['whsec_'], 'not base64 behind "whsec_"'],
    ['discord', ['53C237'], 'not an Ed25519 key: 64 hexadecimal digits'],
    ['sendgrid', ['S3CRET'], 'not a public key on P-256'],
    ['sendgrid', [(ed25519() as { configured: string }).configured], 'not a public key on P-256'],
    ['basic', ['S3CRET'], 'not a user and a password'],
    ['url-token', ['S3CRET/1'], 'not made of A-Z'],
  ])('of %s that is wrong makes that source wrong, and nothing else: %j', (type, secrets, said) => {
    const sources = read({ type }, secrets)
    expect(sourceNamed(sources, 'it')).toBeNull()
    expect(sourceNamed(sources, 'other')).toMatchObject({ name: 'other' })
    expect(sources.mistakes).toEqual([expect.stringMatching(/^SOURCES: "it" /)])
    expect(sources.mistakes[0]).toContain(said)
    expect(sources.mistakes[0]).not.toMatch(/S3CRET|53C237/)
  })

  test('in a variable that begins as JSON and is none is not quoted', () => {
    const { mistakes } = readSources({ SOURCES: [GITHUB], SOURCE_SECRET_GITHUB: '["S3CRET' })
    expect(mistakes).toEqual([
      'SOURCES: "github" has secrets that cannot be read: ' +
        'SOURCE_SECRET_GITHUB begins as JSON does, but is not valid JSON',
    ])
  })

  test('of no source is warned of, without its name where that might be a secret', () => {
    const { warnings, mistakes } = readSources({
      SOURCES: [GITHUB],
      SOURCE_SECRETS: '{"github":"x","githbu":"S3CRET","S3CRET":"github"}',
      SOURCE_SECRET_GITHAB: 'S3CRET',
    })
    expect(mistakes).toEqual([])
    expect(warnings).toEqual([
      'SOURCE_SECRET_GITHAB is the secret of no source',
      'SOURCE_SECRETS has a name that no source has; did you mean github?',
      'SOURCE_SECRETS has a name that no source has',
    ])
  })
})
