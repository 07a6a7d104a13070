import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Call } from '../../client/cli/command'
import { verify } from '../../client/cli/look'
import { bar, type Outlets, outputOf } from '../../client/cli/output'
import { send } from '../../client/cli/send'
import type { Inbox } from '../../client/index'

/** What the command line writes to a terminal, and what to a file or a pipe. No package here has a pseudo-terminal. */

/** Standard output and error, of which those named are a terminal. */
function outlets(terminals: ('stdout' | 'stderr')[], env: Outlets['env'] = {}, columns = 0) {
  const written = { stdout: '', stderr: '' }
  const outlet = (name: keyof typeof written) => ({
    write: (text: string) => (written[name] += text),
    // A pipe has no such members at all.
    ...(terminals.includes(name) && { isTTY: true, columns }),
  })
  return { written, to: { stdout: outlet('stdout'), stderr: outlet('stderr'), env } }
}

const ESCAPE = '\u001B['

/** Runs a command over what an inbox would answer. */
async function run(command: typeof send, call: Partial<Call>, inbox: object, to: Outlets) {
  return command.run({
    args: [],
    values: {},
    stop: new AbortController(),
    kill: new AbortController().signal,
    out: outputOf(false, to),
    inbox: inbox as Inbox,
    ...call,
  })
}

describe('colours', () => {
  const painted = (terminals: ('stdout' | 'stderr')[], env?: Outlets['env']) => {
    const { written, to } = outlets(terminals, env)
    const { print, paint } = outputOf(false, to)
    print(paint('good', 'green'))
    return written.stdout.trimEnd()
  }

  test('are on a terminal only, and only when all that is written goes there', () => {
    expect(painted(['stdout', 'stderr'])).toBe(`${ESCAPE}32mgood${ESCAPE}0m`)
    for (const terminals of [[], ['stdout'], ['stderr']] as const)
      expect(painted([...terminals])).toBe('good')
  })

  test('are not there with NO_COLOR, unless it is empty', () => {
    expect(painted(['stdout', 'stderr'], { NO_COLOR: '1' })).toBe('good')
    expect(painted(['stdout', 'stderr'], { NO_COLOR: '' })).toContain(ESCAPE)
  })

  test('are in what a command says', async () => {
    const metrics = async () => ({ verified: true })
    const verified = async (...of: Parameters<typeof outlets>) => {
      const { written, to } = outlets(...of)
      expect(await run(verify, {}, { metrics }, to)).toBe(0)
      return written.stdout
    }
    expect(await verified(['stdout', 'stderr'])).toBe(`${ESCAPE}32mAll counts agree${ESCAPE}0m\n`)
    expect(await verified(['stdout', 'stderr'], { NO_COLOR: '1' })).toBe('All counts agree\n')
    expect(await verified([])).toBe('All counts agree\n')
  })
})

describe('the progress bar', () => {
  /** Sends a file of 2,500 events, which goes in three steps, and whose last line does not end. */
  async function sent(...of: Parameters<typeof outlets>) {
    const folder = mkdtempSync(join(tmpdir(), 'event-inbox-terminal-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'events.ndjson')
    writeFileSync(file, Array(2_500).fill('{"payload": {}}').join('\n'))
    const inbox = { send: async (events: string[]) => events.map(() => ({ status: 'accepted' })) }
    const { written, to } = outlets(...of)
    expect(await run(send, { values: { file } }, inbox, to)).toBe(0)
    return written
  }

  test('goes on in one line of the terminal, and is taken away before the result', async () => {
    const { stdout, stderr } = await sent(['stdout', 'stderr'])
    expect(stderr.split(`\r${ESCAPE}K`)).toEqual([
      '',
      `[${'#'.repeat(12)}${'-'.repeat(18)}] 40% 1000 events`,
      `[${'#'.repeat(24)}${'-'.repeat(6)}] 80% 2000 events`,
      `[${'#'.repeat(30)}] 100% 2500 events`,
      '',
    ])
    expect(stdout).toBe('2500 accepted, 0 duplicates, 0 rejected\n')
  })

  test('is shown while results go to a file, and to nothing else than a terminal', async () => {
    const toFile = await sent(['stderr'])
    expect(toFile.stderr).toContain('80% 2000 events')
    expect(toFile.stdout).toBe('2500 accepted, 0 duplicates, 0 rejected\n')
    expect((await sent(['stdout'])).stderr).toBe('')
    expect((await sent([])).stderr).toBe('')
  })

  test('is no longer than full', () => {
    expect(bar(0)).toBe(`[${'-'.repeat(30)}] 0%`)
    expect(bar(51 / 50)).toBe(`[${'#'.repeat(30)}] 100%`)
  })
})

test('a table is as wide as the terminal at most, and whole elsewhere', () => {
  const table = (...of: Parameters<typeof outlets>) => {
    const { written, to } = outlets(...of)
    outputOf(false, to).table([
      ['name', 'ready'],
      ['inbox', 7],
      ['billing', 12],
    ])
    return written.stdout
  }
  const whole = 'name     ready\ninbox        7\nbilling     12\n'
  expect(table([], {})).toBe(whole)
  expect(table(['stdout'], {}, 12)).toBe('name     rea\ninbox       \nbilling     \n')
  // Some terminals do not say how wide they are.
  expect(table(['stdout'], {}, 0)).toBe(whole)
})

describe('what would steer a terminal', () => {
  // Clears the screen, in the ways that terminals know, and has text run from right to left.
  const hostile = 'a\u001B[2J\u009B2J\u007F\u202Eb\ttab'
  const shown = 'a\\u001b[2J\\u009b2J\\u007f\\u202eb\ttab'

  test('is shown instead', () => {
    const { written, to } = outlets(['stdout', 'stderr'])
    const out = outputOf(false, to)
    out.print(`${out.paint(hostile, 'red')} ${hostile}`)
    out.say(hostile)
    expect(written.stdout).toBe(`${ESCAPE}31m${shown}${ESCAPE}0m ${shown}\n`)
    expect(written.stderr).toBe(`${shown}\n`)
  })

  test('is exact in JSON, and in what goes elsewhere', () => {
    const terminal = outlets(['stdout', 'stderr'])
    outputOf(true, terminal.to).print(hostile)
    const file = outlets([])
    outputOf(false, file.to).print(hostile)
    expect([terminal.written.stdout, file.written.stdout]).toEqual([`${hostile}\n`, `${hostile}\n`])
  })
})
