/**
 * Refuses a configuration whose variables are malformed, before it is deployed. Secrets are not looked at: they are set
 * elsewhere.
 * @example npm run check:config -- [wrangler.jsonc]
 */
import { unstable_readConfig } from 'wrangler'
import { readConfiguration } from '../shared/config'

/** What every deployment lacks here, and nobody can know. */
const OF_SECRETS = /^(API_TOKENS is not set|SOURCES: "[a-z0-9-]+" has no secret)/

const [config = 'wrangler.jsonc'] = process.argv.slice(2)
const { vars } = unstable_readConfig({ config })
const mistakes = readConfiguration(vars).mistakes.filter((mistake) => !OF_SECRETS.test(mistake))
if (mistakes.length > 0) {
  console.error(`Nothing was deployed: ${config} has variables that are not right.\n`)
  for (const mistake of mistakes) console.error(`- ${mistake}`)
  process.exitCode = 1
}
