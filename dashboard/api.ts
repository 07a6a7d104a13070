/** Every request the dashboard makes. Nothing here touches an element. */

export interface Metrics {
  total: number
  pending: number
  delivered: number
  failed: number
  queue_depth: number
  dlq_count: number
  last_processed_at: string | null
  processing_rate: number
  oldest_unstored_seconds: number
}

export interface Connection {
  /** Where the inbox is served; empty means the page's own origin. */
  endpoint: string
  token: string
}

/** What the service answered instead of a success, in its own words. */
export class ApiProblem extends Error {
  readonly status: number

  constructor(status: number, detail: string) {
    super(detail)
    this.status = status
  }
}

/** GET /metrics. @throws ApiProblem for any answer but a success, TypeError when there is none */
export async function fetchMetrics(connection: Connection, signal: AbortSignal): Promise<Metrics> {
  const { data } = await getJson<{ data: Metrics }>(connection, '/metrics', signal)
  return data
}

async function getJson<T>(
  { endpoint, token }: Connection,
  path: string,
  signal: AbortSignal,
): Promise<T> {
  const url = new URL(path, new URL(endpoint, document.baseURI))
  const response = await fetch(url, { headers: { Authorization: `Bearer ${token}` }, signal })
  if (response.ok) return response.json()
  const problem: { detail?: string } = await response.json().catch(() => ({}))
  throw new ApiProblem(
    response.status,
    problem.detail ?? `The service answered ${response.status}.`,
  )
}
