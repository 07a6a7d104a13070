type Binding = string | number | null

/** A bound text may have 2 MB, and a UTF-16 unit takes up to 3 bytes of it. */
const MAX_PIECE_CHARS = 500_000

/** Puts values, each as JSON text, into arrays that are short enough to be bound. */
export function inPieces(values: string[]): string[] {
  const pieces: string[][] = []
  let room = 0
  for (const value of values) {
    if (value.length > room) {
      pieces.push([])
      room = MAX_PIECE_CHARS
    }
    pieces.at(-1)?.push(value)
    room -= value.length + 1
  }
  return pieces.map((piece) => `[${piece.join(',')}]`)
}

/** Wraps a shard's SQLite in the few shapes of query that its tables need. All of them are synchronous. */
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
    /** Yields rows one at a time, for a caller that may stop early. */
    each<Row extends object>(statement: string, ...bindings: Binding[]): IterableIterator<Row> {
      return ask<Row>(statement, bindings)
    },
    /** Returns the only value of the only row. */
    number(statement: string, ...bindings: Binding[]): number {
      return Number(ask(statement, bindings).raw().next().value?.[0])
    },
  }
}

export type Sql = ReturnType<typeof sqlOn>
