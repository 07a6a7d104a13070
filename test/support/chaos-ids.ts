/** So many operations on an event, then its clients leave it alone. */
const MOST_OPERATIONS = 10
const OPEN_EVENTS = 30

/** Chooses at random which events clients work on: new ones, and some that they have not left alone yet. */
export class ChaosIds {
  readonly #random: () => number
  readonly #operationsOn: (id: string) => number
  #open: string[] = []
  #count = 0

  constructor(random: () => number, operationsOn: (id: string) => number) {
    this.#random = random
    this.#operationsOn = operationsOn
  }

  /** A whole number at random. */
  between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1))
  }

  /** A number that comes once. */
  number(): number {
    return ++this.#count
  }

  /** The id of an event that is not there. D1 refuses some. */
  fresh(): string {
    const id = `${this.#random() < 0.15 ? 'refused' : 'plain'}-${this.number()}`
    this.add(id)
    return id
  }

  /** The id of an event that clients work on. */
  open(): string {
    const isOpen = (id: string) => this.#operationsOn(id) < MOST_OPERATIONS
    this.#open = this.#open.filter(isOpen).slice(-OPEN_EVENTS)
    return this.#open[this.between(0, this.#open.length - 1)] ?? this.fresh()
  }

  any(): string {
    return this.#random() < 0.6 ? this.fresh() : this.open()
  }

  some(most: number): string[] {
    return [...new Set(Array.from({ length: this.between(1, most) }, () => this.any()))]
  }

  /** From now on clients work on this one too. */
  add(id: string): void {
    this.#open.push(id)
  }

  isOpen(id: string): boolean {
    return this.#open.includes(id)
  }
}
