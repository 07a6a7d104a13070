import { spawn } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { comparable, shown } from '../support/answers'
import { buildClient } from '../support/client'
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
  [/^export EVENT_INBOX_TOKEN=/, 'sets what is set here, too'],
  [/^npm run (schema|deploy)$|^npx wrangler /, 'needs an account at Cloudflare'],
  [/^npm run (bench|bench:\w+|docs)$/, 'takes minutes, or writes the pages'],
  [/^npm run (demo|screenshots|source|token)\b/, 'held by scripts.test.ts'],
  [/^sed .* held\.sql > back\.sql$/, 'works on what a command before it brought from Cloudflare'],
]

/** A script of a page goes on from what its first one makes, and may run until it is stopped. */
const SCRIPT_HEAD = `import { Inbox, InboxError, Nack, Release } from 'event-inbox-client'
const inbox = new Inbox({ url: '${INBOX}', token: 'dev-token' })
`
const isScript = ({ language }: Block) => language === 'ts'
/** It has begun to speak to the inbox, or to a command line that does. */
const speaks = (block: Block) =>
  isScript(block) || block.text.includes(INBOX) || /(^|\| )(npx )?event-inbox /m.test(block.text)

let built: ReturnType<typeof buildClient>
beforeAll(() => void (built = buildClient()))
afterAll(() => built.remove())

/** A folder where the library and the command line are installed. */
function installed(folder: string): string {
  mkdirSync(join(folder, 'bin'))
  symlinkSync(join(built.folder, 'node_modules'), join(folder, 'node_modules'))
  const start = `exec ${process.execPath} ${built.commandLine} "$@"\n`
  writeFileSync(join(folder, 'bin', 'event-inbox'), `#!/bin/sh\n${start}`, { mode: 0o755 })
  writeFileSync(join(folder, 'bin', 'npx'), `#!/bin/sh\nshift\n${start}`, { mode: 0o755 })
  return folder
}

/** What a block prints, with the server's address in place of the usual one. A script is stopped once it says enough. */
async function run(block: Block, url: URL, folder: string, enough: string): Promise<string> {
  const address = url.href.replace(/\/$/, '')
  const script = isScript(block)
  const head = script && !block.text.includes('new Inbox(') ? SCRIPT_HEAD : ''
  const own = (head + block.text).replaceAll(INBOX, address)
  if (script) writeFileSync(join(folder, 'example.ts'), own)
  const [command = '', ...flags] = script
    ? [process.execPath, 'example.ts']
    : ['bash', '-euo', 'pipefail', '-c', own]
  const env = {
    ...process.env,
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    EVENT_INBOX_URL: address,
    EVENT_INBOX_TOKEN: 'dev-token',
    NODE_NO_WARNINGS: '1',
  }
  const child = spawn(command, flags, { cwd: folder, env })
  if (script) stopWhen(child, enough)
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  return output.replaceAll(address, INBOX) + errors.replaceAll(address, INBOX)
}

function stopWhen(child: ReturnType<typeof spawn>, enough: string): void {
  let output = ''
  const timer = setTimeout(() => child.kill(), PATIENCE_MS)
  child.stdout?.on('data', (more: Buffer) => {
    output += String(more)
    // What it has done last is still settled.
    if (output.trimEnd() === enough) setTimeout(() => child.kill(), 1_000)
  })
  child.on('exit', () => clearTimeout(timer))
}

/** The lines of a block that do something. */
function commandsOf({ text: script }: Block): string[] {
  const lines = script.split('\n').map((line) => line.replace(/(^|\s)#.*/, '').trim())
  return lines.filter(Boolean)
}

// The pages at the same time: most of it is waiting for a script's last claim to end.
describe.concurrent.each(PAGES)('%s', (name) => {
  const page = readPage(name)
  const examples = examplesOf(page)
  const asked = examples.filter(({ command }) => speaks(command))

  test('holds no command that is neither run nor listed as one that cannot be', ({ expect }) => {
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
    async ({ expect, onTestFinished }) => {
      const folder = installed(storageFolder(onTestFinished))
      const server = await startServer(folder, [], onTestFinished)
      const taken = new Map<Block, string>()
      for (const { command, answer } of asked) {
        if (!answer) continue
        let latest = ''
        const ask = async () =>
          comparable((latest = shown(await run(command, server.url, folder, answer.text))))
        const expected = comparable(answer.text)
        const message = `${name}:${command.line}\n${command.text}`
        const reads =
          command.language === 'sh' &&
          !/ -d | --data|-X |event-inbox (send|consume|listen|ack|retry)/.test(command.text)
        const check = reads
          ? expect.poll(ask, { message, timeout: PATIENCE_MS, interval: 200 }).toBe(expected)
          : ask().then((actual) => expect(actual, message).toBe(expected))
        if (!IS_WRITING) await check
        else await check.catch(() => taken.set(answer, latest))
        // The last claim of a script that was stopped waits on, and would take events of the next one.
        const waiting = async () => (await server.subscription()).waiting
        if (isScript(command)) await expect.poll(waiting, { timeout: 30_000 }).toBe(0)
      }
      if (taken.size === 0) return
      writeFileSync(name, withAnswers(page, taken))
      console.info(`${name}: ${taken.size} answers taken anew`)
    },
    180_000,
  )
})
