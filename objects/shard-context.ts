import type { ShardStore } from './store/shard-store'

/** What the parts of a shard need from it. */
export interface ShardContext {
  env: Env
  name: string | undefined
  store: ShardStore
}
