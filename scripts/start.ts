/** `npm start`: `wrangler dev` with the D1 schema in place first, in whichever folder `--persist-to` names. */
import { spawn, spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const flags = process.argv.slice(2)
const { values } = parseArgs({
  args: flags,
  strict: false,
  options: { 'persist-to': { type: 'string' } },
})
const folder = values['persist-to']

const schema = ['d1', 'execute', 'DB', '--local', '--file', 'schema.sql', '--json']
if (typeof folder === 'string') schema.push('--persist-to', folder)
const applied = spawnSync('wrangler', schema, {
  encoding: 'utf8',
  shell: process.platform === 'win32',
})
if (applied.status !== 0) {
  console.error(applied.stdout, applied.stderr, applied.error ?? '')
  console.error('The D1 schema could not be applied; see above.')
  process.exit(1)
}

const server = spawn('wrangler', ['dev', ...flags], {
  stdio: 'inherit',
  shell: process.platform === 'win32',
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => server.kill(signal))
server.on('exit', (code, signal) => process.exit(code ?? (signal ? 0 : 1)))
