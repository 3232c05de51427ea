/** What tells exposures apart, and a map by it. */

export interface Names {
  readonly domain: string
  readonly flagKey: string
  /** A variant, or the value where there is none. */
  readonly result: string
  readonly subject: string
}

type Maps<A> = Map<string, Map<string, Map<string, Map<string, A>>>>

/** Making one text of the names and hashing it takes longer than all four steps, since most names have their hash. */
export class Named<A> {
  readonly #maps: Maps<A> = new Map()

  get(domain: string, flagKey: string, result: string, subject: string): A | undefined {
    return this.#maps.get(domain)?.get(flagKey)?.get(result)?.get(subject)
  }

  set({ domain, flagKey, result, subject }: Names, value: A): void {
    within(within(within(this.#maps, domain), flagKey), result).set(subject, value)
  }

  delete({ domain, flagKey, result, subject }: Names): void {
    const flags = this.#maps.get(domain)
    const results = flags?.get(flagKey)
    const subjects = results?.get(result)
    subjects?.delete(subject)
    if (subjects?.size === 0) results?.delete(result)
    if (results?.size === 0) flags?.delete(flagKey)
    if (flags?.size === 0) this.#maps.delete(domain)
  }
}

const within = <K, V>(maps: Map<string, Map<K, V>>, name: string): Map<K, V> => {
  const found = maps.get(name)
  if (found !== undefined) return found
  const made = new Map<K, V>()
  maps.set(name, made)
  return made
}
