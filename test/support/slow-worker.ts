import worker, { EventShard as Shard } from '../../worker'

/**
 * The real worker on a real D1 that takes its time. `PUT /slow` sets how, and says what it saw: `readMs` is how much longer each query takes,
 * half of it before and half of it after D1 looks; while `holdsWrites`, answers to writes that D1 has done wait.
 */
const slow = { readMs: 0, holdsWrites: false, heldWrites: 0, letterQueries: 0 }

export class EventShard extends Shard {
  constructor(ctx: DurableObjectState, env: Env) {
    slowDown(env.DB)
    super(ctx, env)
  }
}

function slowDown(db: D1Database): void {
  if (Object.hasOwn(db, 'batch')) return
  const batch = db.batch.bind(db)
  db.batch = async (statements) => {
    try {
      return (await batch(statements)) as never
    } finally {
      slow.heldWrites++
      while (slow.holdsWrites) await scheduler.wait(2)
      slow.heldWrites--
    }
  }
  const prepare = db.prepare.bind(db)
  db.prepare = (sql) => slowed(prepare(sql), sql)
}

function slowed(statement: D1PreparedStatement, sql: string): D1PreparedStatement {
  const bind = statement.bind.bind(statement)
  const all = statement.all.bind(statement)
  statement.bind = (...values) => slowed(bind(...values), sql)
  statement.all = async () => {
    await scheduler.wait(slow.readMs / 2)
    const found = await all()
    if (sql.includes('FROM dead_letters')) slow.letterQueries++
    await scheduler.wait(slow.readMs / 2)
    return found as never
  }
  return statement
}

export default {
  ...worker,
  async fetch(request, env, ctx) {
    slowDown(env.DB)
    if (new URL(request.url).pathname !== '/slow') return worker.fetch(request as never, env, ctx)
    if (request.method === 'PUT') Object.assign(slow, await request.json())
    return Response.json(slow)
  },
} satisfies ExportedHandler<Env, string>
