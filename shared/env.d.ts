/** Declares what `wrangler types` cannot know, because it is off unless it is configured. */
interface Env {
  /** Limits requests per token; see docs/operating.md. */
  RATE_LIMIT?: RateLimit
  /** Verifies Standard Webhooks: one secret or several, separated by blanks. */
  WEBHOOK_SECRET?: string
  /** The secrets of sources, by name; SOURCE_SECRET_<NAME> is that of one. */
  SOURCE_SECRETS?: string
}
