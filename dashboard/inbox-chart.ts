import { css, html, LitElement, type PropertyValues, unsafeCSS } from 'lit'
import uPlot from 'uplot'
import uPlotStyles from 'uplot/dist/uPlot.min.css'
import type { Minute } from './api'
import { clock, count } from './format'
import { styles } from './styles'

const SERIES = [
  { name: 'accepted', label: 'Accepted', color: '--accent' },
  { name: 'stored', label: 'Stored', color: '--quiet' },
  { name: 'delivered', label: 'Delivered', color: '--delivered' },
  { name: 'failed', label: 'Failed', color: '--failed' },
] as const

/** Draws the last hour: accepted, stored, delivered and failed events a minute. It has the sums as text too. */
export class InboxChart extends LitElement {
  static override properties = { minutes: { attribute: false } }

  static override styles = [
    styles,
    unsafeCSS(uPlotStyles),
    css`
      .plot {
        height: 13rem;
      }
      ul {
        display: flex;
        flex-wrap: wrap;
        gap: 0.25rem 1.25rem;
        margin: 0.5rem 0 0;
        padding: 0;
        list-style: none;
      }
      li::before {
        display: inline-block;
        width: 0.9rem;
        height: 0.2rem;
        margin-inline-end: 0.45rem;
        background: var(--line);
        content: '';
        vertical-align: middle;
      }
      .accepted {
        --line: var(--accent);
      }
      .stored {
        --line: var(--quiet);
      }
      .delivered {
        --line: var(--delivered);
      }
      .failed {
        --line: var(--failed);
      }
    `,
  ]

  declare minutes: Minute[]

  #plot: uPlot | undefined
  #resize = new ResizeObserver(() => this.#fit())
  #scheme = matchMedia('(prefers-color-scheme: dark)')

  constructor() {
    super()
    this.minutes = []
  }

  override connectedCallback(): void {
    super.connectedCallback()
    this.#resize.observe(this)
    this.#scheme.addEventListener('change', this.#redraw)
    if (this.hasUpdated) this.#draw()
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.#resize.disconnect()
    this.#scheme.removeEventListener('change', this.#redraw)
    this.#plot?.destroy()
    this.#plot = undefined
  }

  protected override updated(changed: PropertyValues): void {
    if (!changed.has('minutes')) return
    if (this.#plot) this.#plot.setData(this.#data())
    else this.#draw()
  }

  override render() {
    return html`
      <div class="plot" aria-hidden="true"></div>
      <ul aria-label="Events in the last hour">
        ${SERIES.map(({ name, label }) => {
          const sum = this.minutes.reduce((total, minute) => total + minute[name], 0)
          return html`<li class=${name}>${label} ${count(sum)}</li>`
        })}
      </ul>
    `
  }

  #data(): uPlot.AlignedData {
    return [
      this.minutes.map(({ minute }) => Date.parse(minute) / 1000),
      ...SERIES.map(({ name }) => this.minutes.map((each) => each[name])),
    ]
  }

  #draw(): void {
    const place = this.renderRoot.querySelector<HTMLElement>('.plot')
    if (!place || place.clientWidth === 0) return
    const style = getComputedStyle(this)
    // A canvas does not understand light-dark(), so the colours are taken from an element's computed style.
    const probe = document.createElement('span')
    this.renderRoot.append(probe)
    const resolve = (name: string) => {
      probe.style.color = `var(${name})`
      return getComputedStyle(probe).color
    }
    const axis = {
      stroke: resolve('--quiet'),
      grid: { stroke: resolve('--border'), width: 1 },
      ticks: { show: false },
      font: `12px ${style.fontFamily}`,
    }
    const series = SERIES.map(({ label, color }) => ({
      label,
      stroke: resolve(color),
      width: 2,
      points: { show: false },
    }))
    probe.remove()
    this.#plot = new uPlot(
      {
        width: place.clientWidth,
        height: place.clientHeight,
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_plot, _least, most) => [0, Math.max(4, most * 1.1)] } },
        axes: [
          { ...axis, values: (_plot, seconds) => seconds.map(clock) },
          {
            ...axis,
            size: 44,
            incrs: [
              1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000,
            ],
          },
        ],
        series: [{}, ...series],
      },
      this.#data(),
      place,
    )
  }

  #fit(): void {
    const place = this.renderRoot.querySelector<HTMLElement>('.plot')
    if (!place) return
    if (this.#plot) this.#plot.setSize({ width: place.clientWidth, height: place.clientHeight })
    else this.#draw()
  }

  #redraw = (): void => {
    this.#plot?.destroy()
    this.#draw()
  }
}

customElements.define('inbox-chart', InboxChart)
