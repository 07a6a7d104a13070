/** A view of the inbox, as the query string that stands in the address. Nothing here touches the page. */

/** Its filters: status, from, to, field, key and value; with the page size, the pages before, and the open event. */
export type ViewChanges = Record<string, string | null>

/** The query string with some of its members set, or taken out where they are null or empty. */
export function changedView(query: string, changes: ViewChanges): string {
  const view = new URLSearchParams(query)
  for (const [name, value] of Object.entries(changes)) {
    if (value) view.set(name, value)
    else view.delete(name)
  }
  return view.toString()
}

/** The cursors of the pages before, oldest first; none on the first page. */
export function cursorsOf(query: string): string[] {
  return (new URLSearchParams(query).get('cursors') ?? '').split(' ').filter(Boolean)
}

export function isFiltered(query: string): boolean {
  const view = new URLSearchParams(query)
  return ['status', 'from', 'to', 'key'].some((name) => view.has(name))
}

/** The query string of the request that this view makes. Times in it are the reader's own. */
export function requestOf(query: string): string {
  const view = new URLSearchParams(query)
  const request = new URLSearchParams({ limit: view.get('limit') ?? '50' })
  const status = view.get('status')
  if (status) request.set('status', status)
  for (const name of ['from', 'to']) {
    const local = view.get(name)
    if (local && !Number.isNaN(Date.parse(local))) request.set(name, new Date(local).toISOString())
  }
  const key = view.get('key')
  if (key) request.set(`${view.get('field') ?? 'payload'}.${key}`, view.get('value') ?? '')
  const cursor = cursorsOf(query).at(-1)
  if (cursor) request.set('cursor', cursor)
  return request.toString()
}
