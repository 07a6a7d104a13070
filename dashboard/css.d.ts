/** Declares style sheets as text, which is how esbuild imports them. */
declare module '*.css' {
  const text: string
  export default text
}
