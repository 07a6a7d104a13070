import { decodeBytes } from '../../../shared/encoding'
import type { Algorithm, SignatureScheme } from '../../../shared/source-types'

/** Reads signatures out of a header. No I/O; what is malformed is left out. */

/** A sender sends one for each of its secrets. Each costs time, and anybody can send as many as a header holds. */
const MAX_SIGNATURES = 10

const BYTES: Record<Algorithm, number> = {
  'HMAC-SHA-1': 20,
  'HMAC-SHA-256': 32,
  'HMAC-SHA-384': 48,
  'HMAC-SHA-512': 64,
  Ed25519: 64,
  'ECDSA-P-256': 64,
}

/** The parts of a header with signatures. */
export function partsOf({ separator }: SignatureScheme, header: string): string[] {
  return separator === null ? [header] : header.split(separator).map((part) => part.trim())
}

/** The first signatures of the scheme, decoded; those of a wrong length are none. */
export function signaturesIn(scheme: SignatureScheme, parts: readonly string[]): Uint8Array[] {
  const { algorithm, encoding, prefix } = scheme
  return parts
    .filter((part) => part.startsWith(prefix))
    .slice(0, MAX_SIGNATURES)
    .map((part) => decodeBytes(encoding, part.slice(prefix.length)))
    .map((bytes) => (bytes && algorithm === 'ECDSA-P-256' ? rawOfDer(bytes, 32) : bytes))
    .filter((bytes) => bytes !== null)
    .filter((bytes) => bytes.byteLength === BYTES[algorithm])
}

const SEQUENCE = 0x30
const INTEGER = 0x02

/**
 * An ECDSA signature in DER, as the two numbers that WebCrypto wants, one after the other; null when it is malformed.
 * WebCrypto calls DER wrong without a word. Lengths above 127 do not occur on P-256.
 */
export function rawOfDer(der: Uint8Array, size: number): Uint8Array | null {
  if (der[0] !== SEQUENCE || der[1] !== der.byteLength - 2) return null
  const raw = new Uint8Array(size * 2)
  let at = 2
  for (const end of [size, size * 2]) {
    const length = der[at + 1] ?? 0
    const number = der.subarray(at + 2, at + 2 + length)
    if (der[at] !== INTEGER || length === 0 || number.byteLength !== length) return null
    // Above 127 a first byte of zero says that it is not negative.
    const digits = number[0] === 0 ? number.subarray(1) : number
    if (digits.byteLength > size) return null
    raw.set(digits, end - digits.byteLength)
    at += 2 + length
  }
  return at === der.byteLength ? raw : null
}
