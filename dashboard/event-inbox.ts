/**
 * Starts the dashboard. What is loaded here may fail as a whole: a page whose policy forbids Lit's templates, say. Then
 * the element says so, instead of staying blank.
 */
if (!customElements.get('event-inbox')) import('./shell').catch(showFailure)

function showFailure(error: unknown): void {
  console.error(error)
  const isForbidden = String(error).includes('createPolicy')
  const advice = isForbidden
    ? 'The policy of this page must allow it: Content-Security-Policy: trusted-types lit-html.'
    : 'Reload the page, or use a newer browser.'
  const text = `The dashboard cannot start. ${advice} (${String(error)})`
  if (customElements.get('event-inbox')) return
  customElements.define(
    'event-inbox',
    class extends HTMLElement {
      connectedCallback() {
        this.setAttribute('role', 'alert')
        this.textContent = text
      }
    },
  )
}
