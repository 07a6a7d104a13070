import { globSync, readFileSync } from 'node:fs'

/** The text of each source file that runs in the worker or in a shard. */
export const SOURCES = globSync(['worker.ts', '{objects,worker,d1,shared}/**/*.ts']).map((file) =>
  readFileSync(file, 'utf8'),
)

/** Every status and code that a problem is answered with, such as `404 NOT_FOUND`, in order. */
export function problemsInCode(): string[] {
  const problems = SOURCES.flatMap((source) => [
    ...[...source.matchAll(/\bHttpError\(\s*(\d{3}),\s*'(\w+)'/g)].map(
      ([, status, code]) => `${status} ${code}`,
    ),
    ...[...source.matchAll(/\binvalid\(\s*'(\w+)'/g)].map(([, code]) => `400 ${code}`),
  ])
  return [...new Set(problems)].toSorted()
}
