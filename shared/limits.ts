/** Every limit of the API stands here; docs/api.md has the same table. Each is enforced before work is done. */
export const LIMITS = {
  /** Far below the 2 MB that one row, or one bound string, may have in D1 and in a Durable Object. */
  EVENT_BYTES: 1_048_576,
  /** Bounds payload and metadata as they are stored. Data that is no JSON grows when it is wrapped in JSON. */
  STORED_BYTES: 1_500_000,
  BATCH_BYTES: 8 * 1_048_576,
  /**
   * Bounds all request bodies that an isolate, which has 128 MB, holds at once. One byte of a body can take six of
   * memory: as it came, as text of two bytes a character, parsed for a moment, and in the message to its shard.
   */
  HELD_BYTES: 16 * 1_048_576,
  /** An answer lists at most this many mistakes in a request; the client sees the first ones. */
  COMPLAINTS: 20,
  /**
   * Bounds the payloads and metadata, in UTF-16 units, that wait for a shard's commit; more gets a 503. Shards may
   * share the 128 MB of an isolate, and each byte is in memory several times. The largest batch fits.
   */
  SHARD_CHARS_UNDER_WAY: 8 * 1_048_576,
  BATCH_EVENTS: 1_000,
  /** SQLite refuses JSON nested deeper than 1,000. */
  NESTING: 100,
  ID_LENGTH: 128,
  IDEMPOTENCY_KEY_LENGTH: 255,
  URL_LENGTH: 8_192,
  HEADER_BYTES: 32_768,
  QUERY_PARAMETERS: 32,
  QUERY_FILTERS: 10,
  QUERY_PATH_DEPTH: 5,
  QUERY_VALUE_LENGTH: 1_000,
  PAGE_EVENTS: 1_000,
  /** A preview has this much of a payload, and of metadata, in code points. */
  PREVIEW_LENGTH: 500,
  /** It shows members that are no longer, in UTF-16 units. 1,000 events have 6 MB of text at most. */
  PREVIEW_MEMBER_LENGTH: 200,
  /** A page ends early rather than hold more than this. A Worker has 128 MB, for several listings at once. */
  PAGE_BYTES: 8_000_000,
  /** A filter that no index serves is tried on at most this many events a page. The cursor goes on from there. */
  PAGE_SCAN: 10_000,
  /** Dead letters have so many groups at most, the largest ones. */
  LETTER_GROUPS: 100,
  /** A claim gives out fewer events rather than more than this, in UTF-16 units; they take two bytes each. */
  CLAIM_CHARS: 4_000_000,
  CLAIM_EVENTS: 100,
  LEASE_SECONDS: 43_200,
  WAIT_SECONDS: 20,
  DELAY_SECONDS: 604_800,
  COMMAND_BYTES: 262_144,
  /** A hundred nacks, each with a reason as long as is kept, in any script. */
  SETTLEMENT_BYTES: 1_048_576,
  COMMAND_IDS: 1_000,
  REASON_LENGTH: 1_000,
} as const
