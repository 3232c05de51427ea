/** Regular expressions of users. */

/** Tests each text from its start: with the flags `g` and `y`, `test` goes on where the text before has ended. */
export const tester = (pattern: RegExp): (text: string) => boolean => {
  const own = new RegExp(pattern.source, pattern.flags)
  return (text) => {
    own.lastIndex = 0
    return own.test(text)
  }
}
