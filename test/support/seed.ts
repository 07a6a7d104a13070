import fc from 'fast-check'

// A run of the tests is the same as the one before. Others are tried by hand: SEED=7 npx vitest run
fc.configureGlobal({ seed: Number(process.env.SEED ?? 20_261_121) })
