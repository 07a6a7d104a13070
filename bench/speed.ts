/**
 * Measures how fast the inbox is, as ratios in one run.
 * It compares the inbox with the most that the runtime could do, and with what such inboxes are often built of.
 * It writes `results.md`. With `-- --rounds 1 --seconds 2 --sustain 10 --rows 1000` it takes a minute or two, and only
 * prints.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { alone } from './alone.ts'
import { consumers } from './consumers.ts'
import { machine, results } from './report.ts'
import { sustained } from './sustained.ts'
import { throughput } from './throughput.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    sustain: { type: 'string', default: '70' },
    rows: { type: 'string', default: '100000' },
  },
})
const rounds = Number(flags.rounds)
const seconds = Number(flags.seconds)
const progress = (what: string) => console.error(`${new Date().toISOString()} ${what}`)

const parts = [
  await throughput(rounds, seconds, progress),
  await consumers(rounds, seconds, progress),
  await sustained(Number(flags.sustain), progress),
  await alone(Number(flags.rows), rounds, seconds, progress),
]
const text = `# What \`npm run bench\` found

On ${machine()}.
${rounds} rounds of ${seconds} s each, after one to warm up, the contenders in turn; \
figures are the median (and the range).
Nothing has the emulated assets in front of it, but for the inbox that is alone.

${parts.map((part) => part.text).join('\n')}
${results(parts.flatMap((part) => part.results))}`
console.log(text)
if (process.argv.length === 2) writeFileSync('bench/results.md', text)
