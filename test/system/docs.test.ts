import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { comparable, shown } from '../support/answers'
import { type Block, blocksOf, examplesOf, PAGES, readPage, withAnswers } from '../support/pages'
import { startServer, storageFolder } from '../support/server-process'

/**
 * Runs every command of every page that speaks to an inbox, in order, against a fresh one, and compares its answers
 * with those the page shows. `npm run docs` is this test in the mode `docs`: it writes the answers into the pages.
 */

const INBOX = 'http://localhost:8787'
const IS_WRITING = process.env.MODE === 'docs'
/** A listing may be asked again until it answers so: dead letters take a moment. */
const PATIENCE_MS = IS_WRITING ? 5_000 : 20_000

/** Commands that are not run here, and why. */
const NOT_RUN: [RegExp, string][] = [
  [/^npm (install|ci|start|test)\b/, 'what runs this test, and what serves each page in it'],
  [/^npm run (schema|deploy)$|^npx wrangler /, 'needs an account at Cloudflare'],
  [/^npm run (bench|bench:\w+|docs)$/, 'takes minutes, or writes the pages'],
  [/^npm run (demo|screenshots|source|token)\b/, 'held by scripts.test.ts'],
  [/^sed .* held\.sql > back\.sql$/, 'works on what a command before it brought from Cloudflare'],
]

/** What a shell prints for a block, with the server's address in place of the usual one. */
async function run({ text: script }: Block, url: URL, folder: string): Promise<string> {
  const address = url.href.replace(/\/$/, '')
  const own = script.replaceAll(INBOX, address)
  const shell = spawn('bash', ['-euo', 'pipefail', '-c', own], { cwd: folder })
  const [output, errors] = await Promise.all([text(shell.stdout), text(shell.stderr)])
  return output.replaceAll(address, INBOX) + errors
}

/** The lines of a block that do something. */
function commandsOf({ text: script }: Block): string[] {
  const lines = script.split('\n').map((line) => line.replace(/(^|\s)#.*/, '').trim())
  return lines.filter(Boolean)
}

describe.each(PAGES)('%s', (name) => {
  const page = readPage(name)
  const examples = examplesOf(page)
  const asked = examples.filter(({ command }) => command.text.includes(INBOX))

  test('holds no command that is neither run nor listed as one that cannot be', () => {
    const others = examples.filter((example) => !asked.includes(example))
    const unknown = others
      .flatMap(({ command }) => commandsOf(command))
      .filter((command) => !NOT_RUN.some(([pattern]) => pattern.test(command)))
    expect(unknown).toEqual([])
    const elsewhere = blocksOf(page).filter(
      ({ language, text: shownText }) => language !== 'sh' && /^\$? ?curl /m.test(shownText),
    )
    expect(elsewhere.map(({ line }) => line)).toEqual([])
    expect(asked.filter(({ answer }) => !answer).map(({ command }) => command.line)).toEqual([])
  })

  test.skipIf(asked.length === 0)(
    'shows what a fresh inbox answers',
    async () => {
      const folder = storageFolder()
      const { url } = await startServer(folder)
      const taken = new Map<Block, string>()
      for (const { command, answer } of asked) {
        if (!answer) continue
        let latest = ''
        const ask = async () => comparable((latest = shown(await run(command, url, folder))))
        const expected = comparable(answer.text)
        const message = `${name}:${command.line}\n${command.text}`
        const reads = !/ -d | --data|-X /.test(command.text)
        const check = reads
          ? expect.poll(ask, { message, timeout: PATIENCE_MS, interval: 200 }).toBe(expected)
          : ask().then((actual) => expect(actual, message).toBe(expected))
        if (!IS_WRITING) await check
        else await check.catch(() => taken.set(answer, latest))
      }
      if (taken.size === 0) return
      writeFileSync(name, withAnswers(page, taken))
      console.info(`${name}: ${taken.size} answers taken anew`)
    },
    180_000,
  )
})
