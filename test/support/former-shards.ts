import type { RecordedLetter } from '../../shared/dead-letter'
import worker, { EventShard as Shard } from '../../worker'
import { aroundD1 } from './around-d1'

/** The real worker, over shards that answer as those of the version before did. */
export class EventShard extends Shard {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, { ...env, DB: withoutLetters(env.DB), DLQ: withoutNames(env.DLQ) })
  }

  override async flush() {
    const { unstored } = await super.flush()
    return { unstored } as Awaited<ReturnType<Shard['flush']>>
  }

  override async metrics() {
    const { sources: _, letters: __, subscriptions: ___, ...metrics } = await super.metrics()
    return metrics
  }

  override async claim(): Promise<never> {
    return unknown('claim')
  }

  override async settle(): Promise<never> {
    return unknown('settle')
  }

  override async extend(): Promise<never> {
    return unknown('extend')
  }

  override async leases(): Promise<never> {
    return unknown('leases')
  }

  override async redriveIn(): Promise<never> {
    return unknown('redriveIn')
  }

  override fetch(): never {
    throw new TypeError('The receiver does not implement the method "fetch".')
  }

  override async countRefused(): Promise<void> {
    unknown('countRefused')
  }

  override async recorded(letters: RecordedLetter[]) {
    return super.recorded(letters.map(nameless))
  }

  override async letters(after: string) {
    const letters = await super.letters(after)
    return letters.map((letter) => ({ ...nameless(letter), recorded: letter.recorded }))
  }

  override async lettersD1MayHave(letters: RecordedLetter[]) {
    return (await super.lettersD1MayHave(letters.map(nameless))).map(nameless)
  }

  override async resend(letters: RecordedLetter[]) {
    return super.resend(letters.map(nameless))
  }
}

function unknown(method: string): never {
  throw new TypeError(`The RPC receiver does not implement the method "${method}".`)
}

const nameless = ({ event_id, failed_at }: RecordedLetter) => ({ event_id, failed_at })

/** That version knew one table of dead letters in D1. */
function withoutLetters(db: D1Database): D1Database {
  const emptied = (statement: string) =>
    statement.replace('DELETE FROM letters WHERE', '$& false AND')
  const known = aroundD1(db, (_, perform) => perform())
  return new Proxy(known, {
    get: (_, name) =>
      name === 'prepare'
        ? (statement: string) => known.prepare(emptied(statement))
        : Reflect.get(known, name),
  })
}

/** Its messages did not say in which subscription an event had failed. */
function withoutNames(queue: Queue): Queue {
  return new Proxy(queue, {
    get: (_, name) =>
      name === 'sendBatch'
        ? (batch: { body: string; contentType: 'text' }[]) =>
            queue.sendBatch(
              batch.map(({ body, ...message }) => {
                const { subscription: __, ...letter } = JSON.parse(body)
                return { ...message, body: JSON.stringify(letter) }
              }),
            )
        : Reflect.get(queue, name),
  })
}

export default worker
