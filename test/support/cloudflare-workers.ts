/** Stands in for `cloudflare:workers` where a test imports a module without workerd. */
export const env = {}
export class DurableObject {}
