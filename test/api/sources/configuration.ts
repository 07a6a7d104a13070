import { readSources, type Sources } from '../../../shared/sources'

/** Configurations of sources. */

export const OTHER = { name: 'other', type: 'github' }

export const secretsOf = (sources: Sources, name: string) =>
  sources.named.get(name)?.secrets.map(({ bytes }) => Buffer.from(bytes).toString('latin1'))

/** The sources of one entry and its secrets, beside another source that is right. */
export function read(entry: Record<string, unknown>, secrets?: unknown) {
  return readSources({
    SOURCES: [{ name: 'it', ...entry }, OTHER],
    SOURCE_SECRETS: JSON.stringify({ it: secrets, other: ['x'] }),
  })
}
