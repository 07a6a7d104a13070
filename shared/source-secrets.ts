import { bytesOfText, decodeBytes } from './encoding'
import type { Scheme, SecretForm } from './source-types'

/** Reads the secrets of sources from their variables. No message quotes one, nor the name of one that no source has. */

/** A secret, decoded: what it proves a delivery with is its scheme. */
export interface Secret {
  scheme: Scheme
  bytes: Uint8Array
}

/** What the variables say of one source, not decoded yet. */
export interface GivenSecrets {
  secrets: string[]
  verifyToken: string | null
}

/** More are of no use, and each costs a signature to check. */
const MAX_SECRETS = 10

/**
 * Secrets as they stand in a variable: a text, a list of texts, or `{"secrets": […], "verify_token": "…"}`.
 * @throws Error whose message says what it is not
 */
export function readSecrets(given: unknown): GivenSecrets {
  if (typeof given === 'string') return { secrets: [given], verifyToken: null }
  if (Array.isArray(given)) return { secrets: texts(given), verifyToken: null }
  if (typeof given !== 'object' || given === null) throw new Error(`is not ${SHAPE}`)
  const { secrets, verify_token: token = null, ...rest } = given as Record<string, unknown>
  if (Object.keys(rest).length > 0 || (token !== null && typeof token !== 'string'))
    throw new Error(`is not ${SHAPE}`)
  return { secrets: texts(typeof secrets === 'string' ? [secrets] : secrets), verifyToken: token }
}

const SHAPE = 'a list of secrets such as ["new", "old"], or {"secrets": […], "verify_token": "…"}'

function texts(given: unknown): string[] {
  if (!Array.isArray(given) || !given.every((each) => typeof each === 'string'))
    throw new Error(`is not ${SHAPE}`)
  return given
}

/** What a variable of one source holds: JSON, or a secret as it is. @throws Error as readSecrets */
export function readSecretVariable(given: unknown): GivenSecrets {
  if (typeof given !== 'string') return readSecrets(given)
  // Shells and editors put a newline behind it.
  const text = given.trim()
  if (!/^[[{"]/.test(text)) return readSecrets(text)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    // The parser's message would quote the secret.
    throw new Error('begins as JSON does, but is not valid JSON')
  }
  return readSecrets(parsed)
}

/** The secrets, each for the first scheme that takes its form. @throws Error whose message says what is wrong */
export function decodeSecrets(schemes: readonly Scheme[], given: readonly string[]): Secret[] {
  if (given.length === 0) throw new Error('has no secret')
  if (given.length > MAX_SECRETS) throw new Error(`has more than ${MAX_SECRETS} secrets`)
  return given.map((text) => {
    if (text === '') throw new Error('has an empty secret')
    if (text.trim() !== text) throw new Error('has a secret with blanks around it')
    for (const scheme of schemes) {
      if (scheme.kind === 'unverified' || !isMeantAs(scheme.secret, text)) continue
      const bytes = DECODERS[scheme.secret](text)
      if (!bytes || bytes.byteLength === 0)
        throw new Error(`has a secret that is not ${WORDS[scheme.secret]}`)
      return { scheme, bytes }
    }
    throw new Error('has a secret of another kind')
  })
}

/** Whether a secret is of the form, perhaps malformed: one that begins with `whsec_` is no plain token. */
function isMeantAs(form: SecretForm, text: string): boolean {
  if (form === 'whsec_' || form === 'whpk_') return text.startsWith(form)
  return form !== 'whsec' || !text.startsWith('whpk_')
}

const DECODERS: Record<SecretForm, (text: string) => Uint8Array | null> = {
  text: bytesOfText,
  base64: (text) => decodeBytes('base64', text),
  hex: (text) => decodeBytes('hex', text),
  whsec: (text) => decodeBytes('base64', text.replace(/^whsec_/, '')),
  whsec_: (text) => decodeBytes('base64', text.slice(6)),
  whpk_: (text) => ofLength(32, decodeBytes('base64', text.slice(5))),
  'ed25519-hex': (text) => ofLength(32, decodeBytes('hex', text)),
  spki: (text) => p256Key(text),
  'user:password': (text) => (/^(?!:$)[^:]*:/s.test(text) ? bytesOfText(text) : null),
  'url-token': (text) => (/^[\w.~-]{1,256}$/.test(text) ? bytesOfText(text) : null),
}

const WORDS: Record<SecretForm, string> = {
  text: 'text',
  base64: 'base64',
  hex: 'hexadecimal',
  whsec: 'base64, with or without "whsec_"',
  whsec_: 'base64 behind "whsec_"',
  whpk_: 'an Ed25519 key: base64 of 32 bytes behind "whpk_"',
  'ed25519-hex': 'an Ed25519 key: 64 hexadecimal digits',
  spki: 'a public key on P-256, in PEM or base64',
  'user:password': 'a user and a password with a colon between them',
  'url-token': 'made of A-Z a-z 0-9 . _ ~ - alone, up to 256 of them',
}

function ofLength(length: number, bytes: Uint8Array | null): Uint8Array | null {
  return bytes?.byteLength === length ? bytes : null
}

/** How the DER of a key on P-256 that is not compressed begins: its algorithm, its curve, and the bit string's head. */
const P256_HEAD = '3059301306072a8648ce3d020106082a8648ce3d03010703420004'

/** The DER of a public key in PEM, or in PEM's base64 alone. */
function p256Key(text: string): Uint8Array | null {
  const base64 = text.replaceAll(/-----(BEGIN|END) PUBLIC KEY-----/g, '').replaceAll(/\s/g, '')
  const bytes = ofLength(91, decodeBytes('base64', base64))
  const head = decodeBytes('hex', P256_HEAD)
  return bytes && head?.every((byte, at) => bytes[at] === byte) ? bytes : null
}
