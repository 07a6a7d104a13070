import worker, { EventShard as Shard } from '../../worker'

/**
 * The real worker; beside it, at /written, what it has cost so far: rows by the storage's own cursors and D1's own
 * `meta`.
 */
const written = {
  requests: 0,
  events: 0,
  calls: 0,
  asked: 0,
  alarms: 0,
  /** Transactions that wrote to the journal. */
  commits: 0,
  shardRows: 0,
  /** Those of them that say who can claim what, and who has. */
  placeRows: 0,
  d1Writes: 0,
  d1Rows: 0,
}

export class EventShard extends Shard {
  constructor(ctx: DurableObjectState, env: Env) {
    countRows(ctx.storage)
    countWrites(env.DB)
    super(ctx, env)
  }

  override accept(...args: Parameters<Shard['accept']>) {
    written.calls++
    written.events += args[0].length
    return super.accept(...args)
  }

  override ack(...args: Parameters<Shard['ack']>) {
    written.calls++
    return super.ack(...args)
  }

  override alarm() {
    written.calls++
    return super.alarm()
  }
}

// Every call that a worker makes of a shard.
for (const name of Object.getOwnPropertyNames(Shard.prototype)) {
  if (name === 'constructor' || name === 'alarm') continue
  const method: unknown = Reflect.get(EventShard.prototype, name)
  if (typeof method !== 'function') continue
  Object.defineProperty(EventShard.prototype, name, {
    value(this: EventShard, ...args: unknown[]) {
      written.asked++
      return method.apply(this, args)
    },
  })
}

function countRows(storage: DurableObjectStorage): void {
  const { sql } = storage
  const exec = sql.exec.bind(sql)
  sql.exec = (...args) => {
    const cursor = exec(...(args as Parameters<typeof exec>)) as ReturnType<typeof sql.exec>
    written.shardRows += cursor.rowsWritten
    if (String(args[0]).startsWith('INSERT INTO journal')) written.commits++
    if (/\b(INTO|UPDATE|FROM) (ready|leases)\b/.test(String(args[0])))
      written.placeRows += cursor.rowsWritten
    return cursor as never
  }
  const setAlarm = storage.setAlarm.bind(storage)
  storage.setAlarm = (...args) => {
    written.alarms++
    written.shardRows++
    return setAlarm(...args)
  }
}

function countWrites(db: D1Database): void {
  if (Object.hasOwn(db, 'batch')) return
  const batch = db.batch.bind(db)
  db.batch = async (statements) => {
    const results = await batch(statements)
    written.d1Writes++
    for (const { meta } of results) written.d1Rows += meta.rows_written
    return results as never
  }
}

export default {
  ...worker,
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === '/written') return Response.json(written)
    written.requests++
    return worker.fetch(request as never, env, ctx)
  },
} satisfies ExportedHandler<Env, string>
