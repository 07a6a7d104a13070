/** This module lets the scripts speak to a running inbox. It ends them with a message when they cannot. */
import { Inbox, type InboxError } from '../client/index.ts'

export const INBOX_OPTIONS = {
  url: { type: 'string', default: 'http://localhost:8787' },
  token: { type: 'string', default: 'dev-token' },
} as const

interface Where {
  url: string
  token: string
}

/** An inbox that says at once when it cannot do something. */
export function inboxAt({ url, token }: Where): Inbox {
  try {
    return new Inbox({ url, token, repeats: 0, timeoutMs: 10_000 })
  } catch (error) {
    return fail(`No request can be made: ${String(error)}`)
  }
}

/** Ends the script with a message and exit status 1. */
export function fail(message: string): never {
  console.error(`\n${message}`)
  process.exit(1)
}

/** Ends the script, and says what to do about an answer that it did not expect. */
export function failBy({ status, message }: InboxError, { url }: Where): never {
  if (status === 401 || status === 403)
    fail(`The inbox at ${url} does not take the token: ${message}\nName another one by "--token".`)
  if (status > 0) fail(`The inbox at ${url} answered: ${message}`)
  fail(`The inbox at ${url} does not answer (${message}). Start it with "npm start".`)
}
