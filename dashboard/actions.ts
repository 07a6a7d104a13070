import type { Status } from '../client/types.ts'
import type { Desk, Reply } from './view'

/** What can be done to an event. */
export type Action = 'ack' | 'nack' | 'retry' | 'delete'

/** What is said of an event once it was done. */
export const DONE: Record<Action, string> = {
  ack: 'acknowledged',
  nack: 'nacked',
  retry: 'made pending again',
  delete: 'deleted',
}

/** Asks what must be asked before an event is changed. @returns null when the reader does not want it any more */
export async function askFirst(desk: Desk, action: Action, id: string): Promise<Reply | null> {
  if (action === 'nack')
    return desk.ask({
      title: `Nack ${id}`,
      text: 'It comes again, until its attempts are used up.',
      verb: 'Nack',
      asksReason: true,
    })
  if (action === 'delete')
    return desk.ask({
      title: `Delete ${id}?`,
      text: 'It is removed everywhere, and cannot be brought back.',
      verb: 'Delete',
      isDangerous: true,
    })
  return { reason: '', delaySeconds: null }
}

/** What an event became; the number of its retries, where that is told. */
export interface Outcome {
  status: Status | 'deleted'
  retry_count?: number
}

/** Changes an event. */
export async function change(
  { inbox }: Desk,
  action: Action,
  id: string,
  { reason, delaySeconds }: Reply,
): Promise<Outcome> {
  if (action === 'delete') {
    await inbox.delete(id)
    return { status: 'deleted' }
  }
  const delay = delaySeconds === null ? {} : { delay_seconds: delaySeconds }
  const { status, retry_count } =
    action === 'nack' ? await inbox.nack(id, { error: reason, ...delay }) : await inbox[action](id)
  return { status, retry_count }
}
