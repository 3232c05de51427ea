/** What tells exposures apart, and a map by it. */

export interface Names {
  readonly domain: string
  readonly flagKey: string
  /** A variant, or the value where there is none. */
  readonly result: string
  readonly subject: string
}

interface Flag<A> {
  readonly results: Map<string, Map<string, A>>
  /** Many evaluations repeat the last one of their flag. Comparing two texts takes less than finding them. */
  latest: A | undefined
}

/** Making one text of the names and hashing it takes longer than all four steps, since most names have their hash. */
export class Named<A extends Names> {
  readonly #domains = new Map<string, Map<string, Flag<A>>>()

  get(domain: string, flagKey: string, result: string, subject: string): A | undefined {
    const flag = this.#domains.get(domain)?.get(flagKey)
    if (flag === undefined) return undefined
    const { latest } = flag
    if (latest !== undefined && latest.subject === subject && latest.result === result) return latest
    const found = flag.results.get(result)?.get(subject)
    if (found !== undefined) flag.latest = found
    return found
  }

  add(named: A): void {
    const flags = within(this.#domains, named.domain, newMap<Flag<A>>)
    const flag = within(flags, named.flagKey, newFlag<A>)
    within(flag.results, named.result, newMap<A>).set(named.subject, named)
    flag.latest = named
  }

  delete(named: A): void {
    const { domain, flagKey, result, subject } = named
    const flags = this.#domains.get(domain)
    const flag = flags?.get(flagKey)
    if (flags === undefined || flag === undefined) return
    if (flag.latest === named) flag.latest = undefined
    const subjects = flag.results.get(result)
    subjects?.delete(subject)
    if (subjects?.size === 0) flag.results.delete(result)
    if (flag.results.size === 0) flags.delete(flagKey)
    if (flags.size === 0) this.#domains.delete(domain)
  }
}

const newMap = <A>(): Map<string, A> => new Map()

const newFlag = <A>(): Flag<A> => ({ results: new Map(), latest: undefined })

const within = <A>(map: Map<string, A>, name: string, make: () => A): A => {
  const found = map.get(name)
  if (found !== undefined) return found
  const made = make()
  map.set(name, made)
  return made
}
