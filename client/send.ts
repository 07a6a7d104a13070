import { InboxError, reasonOf } from './error.ts'
import { type AskInbox, REPEATS } from './http.ts'
import { newId } from './id.ts'
import { pauseMs, sleep } from './pause.ts'
import type { NewEvent, RequestOptions, SendResult } from './types.ts'

/** This module posts events in batches that the inbox takes, and repeats what got no answer. */

const BATCH_EVENTS = 1_000
const BATCH_BYTES = 8_000_000
/** What a repeat may well mend: of a shard, or of the whole request. */
const PASSING = ['UNAVAILABLE', 'NO_ANSWER', 'RATE_LIMITED', 'INTERNAL', 'UNEXPECTED_ANSWER']

interface Entry {
  index: number
  event_id: string
  /** Nobody else can have posted an id that was made here. */
  isMade: boolean
  json: string
  bytes: number
}

export interface SendOptions extends RequestOptions {
  /** Is told, after each batch, how many events have their result. */
  onProgress?: ((done: number) => void) | undefined
}

interface Sending extends SendOptions {
  repeats?: number | undefined
  /** Is told of each request that was refused, or got no answer. */
  onRefused?: (error: InboxError) => void
}

/** What became of the batches so far. */
interface Progress {
  isAnswered: boolean
  /** Refuses more than single events, such as a token that was revoked: nothing is sent any more. */
  refusal?: InboxError
}

/**
 * Posts events, each with an id of its own, so that a repeat is told from another one.
 * @returns a result each, in order
 * @throws InboxError when nothing was sent. After a batch that was answered, what is not sent is `rejected` instead
 */
export async function sendAll(
  ask: AskInbox,
  events: readonly (NewEvent | string)[],
  options: Sending,
): Promise<SendResult[]> {
  const results: SendResult[] = []
  const progress: Progress = { isAnswered: false }
  let batch: Entry[] = []
  let bytes = 0
  const post = async () => {
    const sent = batch
    batch = []
    bytes = 0
    if (sent.length > 0) await postBatch(ask, sent, results, options, progress)
  }
  for (const [index, event] of events.entries()) {
    const entry = entryOf(index, event)
    if ('status' in entry) {
      results[index] = entry
      continue
    }
    if (batch.length === BATCH_EVENTS || bytes + entry.bytes + 1 > BATCH_BYTES) {
      await post()
      options.onProgress?.(index)
    }
    batch.push(entry)
    bytes += entry.bytes + 1
  }
  await post()
  options.onProgress?.(events.length)
  return results
}

/** Writes an event as it is posted. A string is the JSON of an event, and is kept to the byte. */
function entryOf(index: number, event: NewEvent | string): Entry | SendResult {
  const made = newId()
  try {
    const isText = typeof event === 'string'
    const parsed: Partial<NewEvent> | null = isText ? JSON.parse(event) : event
    const id = parsed?.event_id
    const event_id = id ?? made
    let json = isText ? event : JSON.stringify({ ...event, event_id })
    // Of two equal keys, the last one counts.
    if (isText && id == null && /^\s*\{\s*"/.test(event))
      json = `${event.trimEnd().slice(0, -1)},"event_id":"${made}"}`
    const { length: bytes } = new TextEncoder().encode(json)
    if (bytes < BATCH_BYTES) return { index, event_id, isMade: id == null, json, bytes }
    return rejected(event_id, 'CONTENT_TOO_LARGE', 'The event is larger than a batch may be.')
  } catch (error) {
    return rejected(null, 'INVALID_JSON', reasonOf(error))
  }
}

const rejected = (event_id: string | null, code: string, detail: string): SendResult => ({
  event_id,
  status: 'rejected',
  error: { code, detail },
})

/** Posts a batch, then those of its events again that got no answer, or whose shard did not. */
async function postBatch(
  ask: AskInbox,
  batch: Entry[],
  results: SendResult[],
  options: Sending,
  progress: Progress,
): Promise<void> {
  const { signal, repeats = REPEATS } = options
  let left = batch
  for (let failures = 0; left.length > 0; failures++) {
    const { answers, retryAfterSeconds } = await answersTo(ask, left, options, progress)
    left = left.filter((entry, at) => {
      const none = rejected(entry.event_id, 'NO_ANSWER', 'The answer does not name it.')
      const { index: _, ...result }: Answer = answers[at] ?? none
      const isOurs = result.status === 'duplicate' && entry.isMade
      results[entry.index] = isOurs ? { event_id: entry.event_id, status: 'accepted' } : result
      return result.status === 'rejected' && PASSING.includes(result.error.code)
    })
    if (progress.refusal || failures >= repeats) return
    if (left.length > 0) await sleep(pauseMs(failures, retryAfterSeconds), signal)
  }
}

type Answer = SendResult & { index?: number }

async function answersTo(
  ask: AskInbox,
  batch: Entry[],
  { signal, onRefused }: Sending,
  progress: Progress,
): Promise<{ answers: Answer[]; retryAfterSeconds?: number }> {
  const { refusal } = progress
  const noneFor = ({ code, detail }: InboxError) =>
    batch.map(({ event_id }) => rejected(event_id, code, detail))
  if (refusal) return { answers: noneFor(refusal) }
  const body = `[${batch.map(({ json }) => json).join(',')}]`
  try {
    const { data } = await ask<{ data: Answer[] }>('POST', '/events', { body, signal, repeats: 0 })
    progress.isAnswered = true
    return { answers: data }
  } catch (error) {
    if (!(error instanceof InboxError)) throw error
    const { isPassing, retryAfterSeconds, problem } = error
    const data = problem.data as Answer[] | undefined
    if (!isPassing && !data) {
      if (!progress.isAnswered) throw error
      progress.refusal = error
    }
    onRefused?.(error)
    progress.isAnswered ||= Boolean(data)
    return { answers: data ?? noneFor(error), retryAfterSeconds }
  }
}
