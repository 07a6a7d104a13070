/** Bytes as text, and back. No I/O; what is malformed is null, nothing throws. */

export type Encoding = 'hex' | 'base64' | 'base64url'

const encoder = new TextEncoder()

/** The text in UTF-8. */
export function bytesOfText(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The bytes that `text` encodes, or null when it is malformed; padding may be left out of base64. */
export function decodeBytes(encoding: Encoding, text: string): Uint8Array | null {
  if (encoding === 'hex') return bytesOfHex(text)
  if (encoding === 'base64') return bytesOfBase64(text)
  return /^[\w-]*={0,2}$/.test(text)
    ? bytesOfBase64(text.replaceAll('-', '+').replaceAll('_', '/'))
    : null
}

function bytesOfHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return null
  const bytes = new Uint8Array(text.length / 2)
  for (let at = 0; at < bytes.length; at++)
    bytes[at] = Number.parseInt(text.slice(at * 2, at * 2 + 2), 16)
  return bytes
}

function bytesOfBase64(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    // A length that no bytes have.
    return null
  }
}

/** The bytes in base64 (RFC 4648 §4). */
export function base64Of(bytes: Uint8Array): string {
  let text = ''
  // Arguments go on the stack, which is small.
  for (let at = 0; at < bytes.length; at += 8_192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8_192))
  return btoa(text)
}

/** The bytes in lower-case hexadecimal. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
