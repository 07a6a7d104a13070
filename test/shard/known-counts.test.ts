import { expect, test } from 'vitest'
import { KnownCounts } from '../../objects/former-owners'

/** Counts as the table keeps them: one that is not larger than all before is left out. */
function keptCounts(...first: number[]) {
  const counts = [...first]
  return {
    all: () => counts.toSorted((a, b) => b - a),
    add: (count: number) => void (count > Math.max(0, ...counts) && counts.push(count)),
  }
}

/** Other shards, each with the counts it was told of. */
function shardsThatKnow(...told: number[][]) {
  let asked = 0
  const getByName = (name: string) => ({
    shardCounts: async () => {
      asked++
      return told[Number(name.slice('shard-'.length)) - 1] ?? []
    },
  })
  return { env: { SHARD: { getByName } } as unknown as Env, asked: () => asked }
}

test('a first shard that is new learns every count that others were told of, in whatever order', async () => {
  const { env } = shardsThatKnow([8, 4], [4], [6])
  const counts = new KnownCounts(env, keptCounts())
  expect(await counts.raiseTo(9)).toEqual([9, 8, 6, 4])
  expect(counts.largest).toBe(9)
})

test('a first shard that was told of any asks nobody, and its counts only rise', async () => {
  const { env, asked } = shardsThatKnow([8])
  const counts = new KnownCounts(env, keptCounts(2))
  expect(await counts.raiseTo(4)).toEqual([4, 2])
  expect(await counts.raiseTo(3)).toEqual([4, 2])
  expect([counts.largest, asked()]).toEqual([4, 0])
})
