import { SCOPES } from '../shared/tokens'
import { json, now } from './http/answers'
import type { InboxRequest } from './http/middleware'

/** Answers GET /whoami with the name of the token, and what it may do. */
export function getWhoami({ caller }: InboxRequest): Response {
  const scopes = SCOPES.filter((scope) => caller?.scopes.includes(scope))
  return json({ data: { name: caller?.name, scopes }, timestamp: now() })
}
