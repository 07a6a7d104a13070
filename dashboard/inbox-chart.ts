import { css, html, nothing, svg } from 'lit'
import { clock, count, dayAndHour } from './format'
import { styles } from './styles'
import { type Desk, follow, link, View } from './view'

/** What happened in a minute or an hour. */
export interface Bucket {
  /** When it began, ISO 8601. */
  at: string
  accepted: number
  stored: number
  delivered: number
  failed: number
}

const SERIES = [
  ['accepted', 'Accepted'],
  ['stored', 'Stored'],
  ['delivered', 'Delivered'],
  ['failed', 'Failed'],
] as const

const HEIGHT = 100
/** Of the width that a bucket has, in hundredths: where each bar begins, and how wide it is. */
const BARS = { accepted: [5, 90], delivered: [15, 40], failed: [55, 30] } as const

/**
 * Draws what happened over time: accepted events as broad bars, delivered and failed ones within, and stored ones as a
 * line above. It is drawn with the page's own colours, so that it follows schemes, forced colours and print; each bar
 * leads to its events. The sums, and the highest bars, are there as text too.
 */
export class InboxChart extends View {
  static override properties = {
    desk: { attribute: false },
    buckets: { attribute: false },
    bucketMs: { attribute: false },
    label: { attribute: false },
  }

  static override styles = [
    styles,
    css`
      .plot {
        display: grid;
        grid-template: 12rem auto / max-content minmax(0, 1fr);
        gap: 0.25rem 0.5rem;
      }
      .scale {
        display: flex;
        flex-direction: column;
        justify-content: space-between;
        color: var(--quiet);
        font-size: 0.75rem;
        font-variant-numeric: tabular-nums;
        line-height: 1;
        text-align: end;
      }
      .times {
        display: flex;
        grid-column: 2;
        justify-content: space-between;
        color: var(--quiet);
        font-size: 0.75rem;
      }
      /* Five times with a day and an hour do not fit. */
      @container (width < 34rem) {
        .times :nth-child(even) {
          display: none;
        }
      }
      svg {
        width: 100%;
        height: 100%;
        overflow: visible;
      }
      .grid {
        stroke: var(--border);
      }
      .accepted {
        fill: color-mix(in srgb, var(--accent) 28%, transparent);
      }
      .delivered {
        fill: var(--mark-delivered);
      }
      .failed {
        fill: var(--mark-failed);
      }
      .stored {
        fill: none;
        stroke: var(--quiet);
        stroke-dasharray: 3 3;
        stroke-width: 1.5;
      }
      line,
      path {
        vector-effect: non-scaling-stroke;
      }
      .hit {
        fill: transparent;
      }
      a:hover .hit {
        fill: color-mix(in srgb, var(--text) 8%, transparent);
      }
      ul {
        display: flex;
        flex-wrap: wrap;
        gap: 0.25rem 1.25rem;
        margin: 0.75rem 0 0;
        padding: 0;
        list-style: none;
        font-size: 0.875rem;
      }
      li svg {
        width: 0.8rem;
        height: 0.7rem;
        margin-inline-end: 0.4rem;
        vertical-align: -0.05rem;
      }
      .peaks {
        flex: 1;
        text-align: end;
      }
      @media (forced-colors: active) {
        .accepted {
          fill: Canvas;
          stroke: CanvasText;
        }
        .delivered {
          fill: CanvasText;
        }
        .failed {
          fill: LinkText;
        }
        .stored,
        .grid {
          stroke: GrayText;
        }
      }
    `,
  ]

  declare desk: Desk
  /** Oldest first. */
  declare buckets: Bucket[]
  /** How long each is. */
  declare bucketMs: number
  /** Says which time it is. */
  declare label: string

  constructor() {
    super()
    this.buckets = []
    this.bucketMs = 60_000
    this.label = ''
  }

  /** The bars stay where they are while the mouse is at them. */
  get #held(): Bucket[] {
    const { buckets, bucketMs } = this
    const isHandNear = this.renderRoot.querySelector('.plot:hover') !== null
    const [first] = this.#shown
    const isSame = bucketMs === this.#shownMs && first !== undefined
    if (!isHandNear || !isSame) this.#shown = buckets
    this.#shownMs = bucketMs
    return this.#shown
  }

  #shown: Bucket[] = []
  #shownMs = 0

  override render() {
    const buckets = this.#held
    const most = Math.max(...buckets.map((each) => Math.max(each.accepted, each.stored)), 0)
    const top = roundUp(Math.max(most, ...buckets.map((each) => each.delivered + each.failed)))
    const label = this.bucketMs < 3_600_000 ? clock : dayAndHour
    const times = [0, 0.25, 0.5, 0.75, 1].map(
      (part) => buckets[Math.round(part * (buckets.length - 1))]?.at,
    )
    return html`
      <div class="plot">
        <div class="scale" aria-hidden="true">
          <span>${count(top)}</span><span>${count(top / 2)}</span><span>0</span>
        </div>
        <svg
          viewBox="0 0 ${Math.max(1, buckets.length) * 100} ${HEIGHT}"
          preserveAspectRatio="none"
          aria-hidden="true"
        >
          ${[0, 0.5, 1].map((part) => gridLine(buckets.length * 100, part * HEIGHT))}
          ${buckets.map((bucket, index) => this.#renderBars(bucket, index, top))}
          <path class="stored" d=${lineOf(buckets, top)}></path>
          ${buckets.map((bucket, index) => this.#renderHit(bucket, index, label(bucket.at)))}
        </svg>
        <div class="times" aria-hidden="true">
          ${times.map((at) => html`<span>${at ? label(at) : ''}</span>`)}
        </div>
      </div>
      <ul aria-label=${this.label}>
        ${SERIES.map(([name, text]) => {
          const sum = buckets.reduce((total, bucket) => total + bucket[name], 0)
          return html`<li>${keyOf(name)}${text} ${count(sum)}</li>`
        })}
        ${this.#renderPeaks(label)}
      </ul>
    `
  }

  #renderBars(bucket: Bucket, index: number, top: number) {
    return (['accepted', 'delivered', 'failed'] as const).map((name) => {
      const height = (bucket[name] / top) * HEIGHT
      const [left, width] = BARS[name]
      return height === 0
        ? nothing
        : svg`<rect class=${name} x=${index * 100 + left} width=${width} y=${HEIGHT - height} height=${height}></rect>`
    })
  }

  /** A place for the mouse. The keyboard has the links of the highest bars. */
  #renderHit(bucket: Bucket, index: number, label: string) {
    const numbers = SERIES.map(([name, text]) => `${text.toLowerCase()} ${count(bucket[name])}`)
    const to = this.#eventsIn(bucket)
    return svg`<a href=${this.desk.href(to)} tabindex="-1" @click=${follow(this.desk, to)}>
      <rect class="hit" x=${index * 100} width="100" y="0" height=${HEIGHT}>
        <title>${label}: ${numbers.join(', ')}</title>
      </rect>
    </a>`
  }

  #renderPeaks(label: (iso: string) => string) {
    const highest = (name: 'accepted' | 'failed') =>
      this.#shown.reduce<Bucket | undefined>(
        (best, each) => (each[name] > (best?.[name] ?? 0) ? each : best),
        undefined,
      )
    const busiest = highest('accepted')
    const worst = highest('failed')
    if (!busiest && !worst) return nothing
    const most = busiest && `Most at ${label(busiest.at)}: ${count(busiest.accepted)}`
    const failed = worst && `most failed at ${label(worst.at)}: ${count(worst.failed)}`
    return html`<li class="peaks">
      ${busiest ? link(this.desk, this.#eventsIn(busiest), most) : nothing}
      ${worst ? html` · ${link(this.desk, 'inbox?status=failed&sort=updated_at+desc', failed)}` : nothing}
    </li>`
  }

  /** The view of the events that were created then. */
  #eventsIn({ at }: Bucket): string {
    const to = new Date(Date.parse(at) + this.bucketMs).toISOString()
    return `inbox?${new URLSearchParams({ from: at, to })}`
  }
}

/** The least of 2, 4, 6, 8, 10, 20, 40 … that is not below a number. */
function roundUp(value: number): number {
  for (let power = 1; power < value * 10 || power === 1; power *= 10)
    for (const step of [2, 4, 6, 8, 10]) if (step * power >= value) return step * power
  return 2
}

const gridLine = (width: number, y: number) =>
  svg`<line class="grid" x1="0" x2=${width} y1=${y} y2=${y}></line>`

/** The stored events as a line of steps; it rests where there are none. */
function lineOf(buckets: Bucket[], top: number): string {
  return buckets
    .map(({ stored }, index) => {
      if (stored === 0) return ''
      const y = HEIGHT - (stored / top) * HEIGHT
      const isNext = (buckets[index - 1]?.stored ?? 0) > 0
      return `${isNext ? 'L' : 'M'}${index * 100} ${y}H${(index + 1) * 100}`
    })
    .join('')
}

function keyOf(name: (typeof SERIES)[number][0]) {
  return name === 'stored'
    ? html`<svg viewBox="0 0 10 10" aria-hidden="true">
        <path class="stored" d="M0 5H10"></path>
      </svg>`
    : html`<svg viewBox="0 0 10 10" aria-hidden="true">
        <rect class=${name} width="10" height="10"></rect>
      </svg>`
}

customElements.define('inbox-chart', InboxChart)
