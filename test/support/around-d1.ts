export interface Sent {
  sql: string
  values: unknown[]
}

type Around = <T>(sent: Sent[], perform: () => Promise<T>) => Promise<T>

/** D1 with something done around each of its calls. It knows the calls that the worker makes, and throws at others. */
export function aroundD1(db: D1Database, around: Around): D1Database {
  const wrapped = new WeakMap<D1PreparedStatement, { real: D1PreparedStatement; sent: Sent }>()
  const wrap = (real: D1PreparedStatement, sent: Sent): D1PreparedStatement => {
    const calls: Record<string, unknown> = {
      bind: (...values: unknown[]) => wrap(real.bind(...values), { ...sent, values }),
      all: () => around([sent], () => real.all()),
      run: () => around([sent], () => real.run()),
      first: (column: string) => around([sent], () => real.first(column)),
    }
    const statement = new Proxy(real, { get: (_, name) => known(calls, name) })
    wrapped.set(statement, { real, sent })
    return statement
  }
  const calls: Record<string, unknown> = {
    exec: (sql: string) => around([{ sql, values: [] }], () => db.exec(sql)),
    prepare: (sql: string) => wrap(db.prepare(sql), { sql, values: [] }),
    batch: (statements: D1PreparedStatement[]) => {
      const all = statements.flatMap((each) => wrapped.get(each) ?? [])
      return around(
        all.map(({ sent }) => sent),
        () => db.batch(all.map(({ real }) => real)),
      )
    },
  }
  return new Proxy(db, { get: (_, name) => known(calls, name) })
}

function known(calls: Record<string, unknown>, name: string | symbol): unknown {
  const call = calls[String(name)]
  if (!call) throw new Error(`nothing is known to be done around ${String(name)} of D1`)
  return call
}
