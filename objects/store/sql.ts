type Binding = string | number | null

/** A shard's SQLite, asked in the few shapes that its tables need. Synchronous. */
export function sqlOn(storage: SqlStorage) {
  const ask = <Row extends object>(statement: string, bindings: Binding[]) =>
    storage.exec<Row & Record<string, SqlStorageValue>>(statement, ...bindings)
  return {
    run(statement: string, ...bindings: Binding[]): void {
      ask(statement, bindings)
    },
    rows<Row extends object>(statement: string, ...bindings: Binding[]): Row[] {
      return ask<Row>(statement, bindings).toArray()
    },
    /** Rows one at a time, for a caller that may stop early. */
    each<Row extends object>(statement: string, ...bindings: Binding[]): IterableIterator<Row> {
      return ask<Row>(statement, bindings)
    },
    /** The only value of the only row. */
    number(statement: string, ...bindings: Binding[]): number {
      return Number(ask(statement, bindings).raw().next().value?.[0])
    },
  }
}

export type Sql = ReturnType<typeof sqlOn>
