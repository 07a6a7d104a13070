import { html, svg } from 'lit'

/** The lines of each icon, on a square of 20. */
const LINES = {
  overview: 'M3.5 16.5v-6M8 16.5v-13M12.5 16.5v-9M17 16.5v-4',
  inbox: 'M2.5 11 5 4h10l2.5 7v5h-15zM2.5 11h4.3l1.2 2.2h4l1.2-2.2h4.3',
  'dead-letters': 'M7 2.5h6L17.5 7v6L13 17.5H7L2.5 13V7zM10 6.3v4.6M10 13.5v.3',
  consumers:
    'M7 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6M1.8 16.5c0-2.8 2.2-4.6 5.2-4.6s5.2 1.8 5.2 4.6M13.2 3.8a3 3 0 0 1 0 5.4M14.6 12.2c2.2.6 3.6 2.2 3.6 4.3',
  sources: 'M10 2.5v9M6.3 8 10 11.7 13.7 8M3 12.5V17h14v-4.5',
  send: 'M17.5 2.5 9 11M17.5 2.5l-5.3 15L9 11 2.5 7.8z',
}

/** A picture beside a word that says the same. */
export const icon = (name: keyof typeof LINES) =>
  html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
    ${svg`<path d=${LINES[name]}></path>`}
  </svg>`
