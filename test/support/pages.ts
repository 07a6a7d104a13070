import { globSync, readFileSync } from 'node:fs'

/** What the tests need to know of Markdown: its fenced blocks, tables, links and headings. No I/O but `readPage`. */

export const PAGES = globSync('{*,{bench,docs,examples,test}/*}.md').toSorted()
export const readPage = (name: string): string => readFileSync(name, 'utf8')

/** A fenced block. `line` is that of its opening fence, counted from 1; `end` that of its closing one. */
export interface Block {
  language: string
  text: string
  line: number
  end: number
}

export function blocksOf(page: string): Block[] {
  const blocks: Block[] = []
  const lines = page.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const language = /^```(\w*)$/.exec(lines[at] ?? '')?.[1]
    if (language === undefined) continue
    const end = lines.indexOf('```', at + 1)
    if (end === -1) throw new Error(`the block that begins in line ${at + 1} has no end`)
    blocks.push({ language, text: lines.slice(at + 1, end).join('\n'), line: at + 1, end: end + 1 })
    at = end
  }
  return blocks
}

/** A command of a page, for a shell or for Node, and the block with its answer, if it has one. */
export interface Example {
  command: Block
  answer: Block | undefined
}

export function examplesOf(page: string): Example[] {
  const blocks = blocksOf(page)
  return blocks.flatMap((command, index) => {
    if (!['sh', 'ts'].includes(command.language)) return []
    const next = blocks[index + 1]
    const isAnswer = next !== undefined && ['json', 'http', 'text'].includes(next.language)
    return [{ command, answer: isAnswer ? next : undefined }]
  })
}

/** The page with other text in some of its blocks. */
export function withAnswers(page: string, answers: Map<Block, string>): string {
  const lines = page.split('\n')
  for (const [{ line, end }, text] of [...answers].toSorted(([a], [b]) => b.line - a.line))
    lines.splice(line, end - line - 1, ...text.split('\n'))
  return lines.join('\n')
}

/** The page without its fenced blocks and code spans: what is in them is no Markdown. */
export function proseOf(page: string): string {
  return page.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '')
}

/** Where links and images lead that stay inside the repository. */
export function linksOf(page: string): string[] {
  return [...proseOf(page).matchAll(/(?:\]\(|^\[.+\]: )([^)\s]+)/gm)]
    .flatMap(([, target]) => target ?? [])
    .filter((target) => !/^[a-z]+:/.test(target))
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(page: string): string[] {
  const headings = page.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.+)$/gm)
  return [...headings].map(([, text = '']) =>
    text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  )
}

/** The rows of the first table behind a heading, without its head; each a list of cells. */
export function tableUnder(page: string, heading: string): string[][] {
  const [, behind] = page.split(`\n${heading}\n`)
  const rows = behind?.split(/^#/m)[0]?.match(/(^\|.*\|\n)+/m)?.[0]
  if (!rows) throw new Error(`there is no table under "${heading}"`)
  const cells = (row: string) =>
    row
      .replaceAll('\\|', '\u0000')
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('\u0000', '|'))
  return rows.trim().split('\n').slice(2).map(cells)
}
