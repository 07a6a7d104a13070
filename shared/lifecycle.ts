import { configurationOf, type Variables } from './config'

/** What an operator can do to an event by its id. */
export type Verb = 'ack' | 'nack' | 'retry'

/** Returns the MAX_RETRIES variable, or Infinity while it is malformed: then no event fails. */
export function maxRetries(env: Variables): number {
  return configurationOf(env).maxRetries ?? Infinity
}
