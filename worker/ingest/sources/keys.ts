import type { Secret } from '../../../shared/source-secrets'
import type { Algorithm } from '../../../shared/source-types'

/** Compares with secrets, in a time that says nothing about them. */

// Keys, not promises of them: one request must not wait for another's.
const keys = new WeakMap<Secret, CryptoKey>()

const KEYS: Record<
  Algorithm,
  { format: 'raw' | 'spki'; algorithm: SubtleCryptoImportKeyAlgorithm }
> = {
  'HMAC-SHA-1': { format: 'raw', algorithm: { name: 'HMAC', hash: 'SHA-1' } },
  'HMAC-SHA-256': { format: 'raw', algorithm: { name: 'HMAC', hash: 'SHA-256' } },
  'HMAC-SHA-384': { format: 'raw', algorithm: { name: 'HMAC', hash: 'SHA-384' } },
  'HMAC-SHA-512': { format: 'raw', algorithm: { name: 'HMAC', hash: 'SHA-512' } },
  Ed25519: { format: 'raw', algorithm: { name: 'Ed25519' } },
  'ECDSA-P-256': { format: 'spki', algorithm: { name: 'ECDSA', namedCurve: 'P-256' } },
}

/** The key that a secret is, imported once; null for bytes that are none, such as a point beside the curve. */
export async function keyOf(secret: Secret, algorithm: Algorithm): Promise<CryptoKey | null> {
  const known = keys.get(secret)
  if (known) return known
  const { format, algorithm: imported } = KEYS[algorithm]
  const uses = imported.name === 'HMAC' ? ['sign', 'verify'] : ['verify']
  try {
    const key = await crypto.subtle.importKey(format, secret.bytes, imported, false, uses)
    keys.set(secret, key)
    return key
  } catch {
    return null
  }
}

/** Whether one of the signatures, which have the algorithm's length, is the key's of the message. */
export async function isSigned(
  key: CryptoKey,
  algorithm: Algorithm,
  signatures: readonly Uint8Array[],
  message: Uint8Array,
): Promise<boolean> {
  const [first, ...others] = signatures
  if (!first) return false
  if (algorithm.startsWith('HMAC') && others.length > 0) {
    // Of a long body one MAC is enough, however many signatures there are.
    const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, message))
    for (const signature of signatures) if (await isSame(key, signature, mac)) return true
    return false
  }
  const parameters =
    algorithm === 'ECDSA-P-256'
      ? { name: 'ECDSA', hash: 'SHA-256' }
      : { name: algorithm === 'Ed25519' ? 'Ed25519' : 'HMAC' }
  for (const signature of signatures)
    if (await crypto.subtle.verify(parameters, key, signature, message)) return true
  return false
}

/** Whether what was presented is the secret: as MACs are compared, neither length nor content shows in the time. */
export async function isSecret(secret: Secret, presented: Uint8Array): Promise<boolean> {
  const key = await keyOf(secret, 'HMAC-SHA-256')
  return key !== null && isSame(key, presented, secret.bytes)
}

async function isSame(key: CryptoKey, one: Uint8Array, other: Uint8Array): Promise<boolean> {
  return crypto.subtle.verify('HMAC', key, await crypto.subtle.sign('HMAC', key, one), other)
}
