import { readFileSync } from 'node:fs'
import { createTestHarness, unstable_readConfig, unstable_splitSqlQuery } from 'wrangler'
import { test as base } from './world'

/** The real worker in a wrapper that makes calls of its shards fail; see faulty-worker.ts. */
export const test = base
  .override('server', async ({ vars }, { onCleanup }) => {
    const { assets: _, build: __, ...config } = unstable_readConfig({ config: 'wrangler.jsonc' })
    const API_TOKENS = JSON.stringify([
      { name: 'tests', token: 'dev-token', scopes: ['write', 'read', 'manage'] },
    ])
    const faulty = {
      ...config,
      main: 'test/support/faulty-worker.ts',
      vars: { ...config.vars, API_TOKENS, ...vars },
    }
    const server = createTestHarness({ workers: [{ config: faulty }] })
    onCleanup(() => server.close())
    await server.listen()
    const { DB } = await server.getWorker<Env>().getEnv()
    const schema = unstable_splitSqlQuery(readFileSync('schema.sql', 'utf8'))
    await DB.batch(schema.map((statement) => DB.prepare(statement)))
    return server
  })
  .extend('setFaults', async ({ inbox }, { onCleanup }) => {
    const set = async (faults: Record<string, string>) => {
      await inbox.call('POST', '/faults', faults)
    }
    onCleanup(() => set({}))
    return set
  })
