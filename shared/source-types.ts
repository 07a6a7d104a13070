import type { Encoding } from './encoding'

/**
 * What the table of senders is made of. A sender is a row: how it signs, where it says which event it is, and what
 * it wants to hear. One verifier reads the rows, so that adding a sender is adding a row.
 */

/**
 * Where a value stands in a delivery: in a header, at a JSON pointer (RFC 6901) in the body, or behind a prefix in the
 * signature's own header. `body` is the digest of the body.
 */
export type Place = `header:${string}` | `/${string}` | `signature:${string}` | 'body'

export type Algorithm =
  | 'HMAC-SHA-1'
  | 'HMAC-SHA-256'
  | 'HMAC-SHA-384'
  | 'HMAC-SHA-512'
  | 'Ed25519'
  | 'ECDSA-P-256'

/** How a secret is written; what it decodes to is the key. */
export type SecretForm =
  /** The text as it is. */
  | 'text'
  | 'base64'
  | 'hex'
  /** Base64, with or without `whsec_` in front. */
  | 'whsec'
  /** Base64 behind `whsec_`, which has to be there. */
  | 'whsec_'
  /** An Ed25519 public key: base64 behind `whpk_`. */
  | 'whpk_'
  /** An Ed25519 public key in hexadecimal. */
  | 'ed25519-hex'
  /** A public key on P-256, as PEM or as its base64 alone (RFC 5480). */
  | 'spki'
  | 'user:password'
  /** What can stand in a URL as it is. */
  | 'url-token'

export interface Timestamp {
  /** The first that is there counts. */
  places: readonly Place[]
  /** Seconds, or milliseconds, since 1970; `any` is either of them, or RFC 3339. */
  unit: 's' | 'ms' | 'any'
  /** Seconds it may be from now, before or after; null where a sender signs it but may send it again much later. */
  tolerance: number | null
}

export interface SignatureScheme {
  kind: 'signature'
  algorithm: Algorithm
  /** In lower case; the first that is there counts. ECDSA signatures are in DER. */
  headers: readonly string[]
  /** What stands between several signatures in the header; null where there is only ever one. */
  separator: string | null
  /** What stands in front of a signature; others are not for this scheme. */
  prefix: string
  encoding: Encoding
  secret: SecretForm
  /** What is signed, with `{id}`, `{timestamp}`, `{method}`, `{url}`, `{fields}` and `{body}` filled in. */
  signed: string
  /** Where the `{id}` that is signed stands. */
  id?: readonly Place[]
  timestamp?: Timestamp
}

export interface TokenScheme {
  kind: 'token'
  header: string
  prefix: string
  secret: SecretForm
}

export type Scheme =
  | SignatureScheme
  | TokenScheme
  | { kind: 'basic'; secret: SecretForm }
  | { kind: 'url-token'; secret: SecretForm }
  | { kind: 'unverified' }

export type Handshake = 'slack' | 'zoom' | 'meta' | 'discord'

/** `json` says what became of it; `empty` is a 200 and `no-content` a 204 without a body; `twiml` an empty document. */
export type Ack = 'json' | 'empty' | 'no-content' | 'twiml'

/** A row of the table. */
export interface SourceType {
  /** As the sender writes its name. */
  label: string
  /** Ways to prove a delivery, any of which will do; a secret belongs to the first that takes its form. */
  schemes: readonly Scheme[]
  /** Which event it is: the first place that has a value. Without one, each delivery is an event of its own. */
  ids: readonly Place[]
  /** What kind of event it is: the first place that has a value. */
  types: readonly Place[]
  /** A member of the body with a number that rises with each try: it is no part of the body's digest. */
  counter?: string
  handshake?: Handshake
  ack: Ack
  /** Whether it sends again what was not taken, without being asked to; null where that depends on the sender. */
  retries: boolean | null
  /** Who makes the secret up. */
  secretBy: 'sender' | 'receiver'
  /** Where to copy the secret from, or where to enter it: a sentence. */
  secretAt: string
}
