import { html, nothing } from 'lit'
import { repeat } from 'lit/directives/repeat.js'
import type { EventWithTimeline } from '../client/types.ts'
import { count, several, time } from './format'
import { visible } from './json-source'

const HAPPENED: Record<string, string> = {
  accepted: 'Accepted',
  claimed: 'Claimed',
  acked: 'Acknowledged',
  nacked: 'Nacked',
  released: 'Given back',
  expired: 'The lease ended without an answer',
  failed: 'Given up',
  retried: 'Made pending again',
}

/** What happened to an event, when, by whom and why, oldest first. */
export function timeline(
  { timeline: happened, timeline_dropped }: EventWithTimeline,
  reload: () => void,
) {
  return html`
    <section aria-labelledby="timeline">
      <div class="heading">
        <h3 id="timeline">Timeline</h3>
        <button class="plain" @click=${reload}>Refresh</button>
      </div>
      <ol>
        ${repeat(
          happened,
          ({ at, what, lease }, index) => `${at} ${what} ${lease ?? ''} ${index}`,
          ({ at, what, by, subscription, consumer, attempt, why }, index) => html`
            <li class=${what}>
              <strong>${HAPPENED[what] ?? what}</strong>
              <span class="quiet"
                >${[
                  subscription && `in ${subscription}`,
                  attempt && `attempt ${count(attempt)}`,
                  consumer && `by ${visible(consumer)}`,
                  by && `with the token ${visible(by)}`,
                ]
                  .filter(Boolean)
                  .join(', ')}</span
              >
              ${why ? html`<div>${visible(why)}</div>` : nothing}
              <div class="quiet">${time(at)}</div>
            </li>
            ${
              index === 0 && timeline_dropped > 0
                ? html`<li class="quiet">
                    ${several(timeline_dropped, 'older entry', 'older entries')}
                  </li>`
                : nothing
            }
          `,
        )}
      </ol>
    </section>
  `
}
