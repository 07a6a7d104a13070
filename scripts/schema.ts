/**
 * Brings the deployed D1 to what `schema.sql` says; this is `npm run schema`. It takes wrangler's own flags, such as
 * `--env NAME`.
 */
import { applySchema } from './apply-schema.ts'

try {
  const added = applySchema(['--remote', ...process.argv.slice(2)])
  console.log(`D1 has the schema${added.length > 0 ? `; added: ${added.join(', ')}` : ''}.`)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  console.error('The schema could not be applied; see above.')
  process.exit(1)
}
