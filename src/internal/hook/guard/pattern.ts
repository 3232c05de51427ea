/**
 * Matches whole texts against an expression, in time proportional to the length
 * of the text times that of the expression.
 *
 * The regular expressions of JavaScript backtrack, so an expression of a user can
 * take exponential time, and nothing can interrupt it. Here, all ways to match are
 * followed at the same time (Thompson's construction).
 */
import { tryOr } from "../../untrusted.ts"

/** In characters. No longer text matches. */
export const maxTextLength = 1024

const maxSourceLength = 1000
const maxStates = 512

/** A state that consumes a character, or one that continues in two ways. */
interface State {
  readonly accepts: ((char: string) => boolean) | undefined
  next: number
  readonly other: number
}

/** Adds the states of an expression before those of its continuation, and returns the first one. */
type Node = (next: number) => number

const unsupported = (what: string): never => {
  throw new SyntaxError(what)
}

/** One character of a class, an escape or a literal. Regular expressions are safe for a single character. */
const acceptor = (source: string, flags: string): (char: string) => boolean => {
  const one = new RegExp(`^(?:${source})$`, flags)
  const ascii = Uint8Array.from({ length: 128 }, (_, code) => Number(one.test(String.fromCharCode(code))))
  return (char) => {
    const code = char.charCodeAt(0)
    return code < 128 ? ascii[code] === 1 : one.test(char)
  }
}

const anAtom =
  /\\(?:[dwsDWStnrfv0]|x[\da-fA-F]{2}|u[\da-fA-F]{4}|u\{[\da-fA-F]+\}|[pP]\{[\w=]+\}|[^a-zA-Z\d])|\[(?:\\.|[^\]\\])*\]|[^\\()|*+?^$]/uy
// Without the flag u, an expression consists of UTF-16 code units.
const anAtomOfUnits = new RegExp(anAtom.source, "y")
const aQuantifier = /(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})\??/y

class Compiler {
  readonly states: Array<State> = []
  readonly #source: string
  readonly #flags: string
  #at = 0
  #copies = 0

  constructor(source: string, flags: string) {
    this.#source = source
    this.#flags = flags
  }
  compile(): number {
    const node = this.#alternatives()
    if (this.#at < this.#source.length) unsupported("it has anchors inside, or parentheses that do not match")
    return node(this.#add(undefined, -1, -1))
  }
  #add(accepts: State["accepts"], next: number, other: number): number {
    if (this.states.length >= maxStates) unsupported(`it needs more than ${maxStates} states`)
    return this.states.push({ accepts, next, other }) - 1
  }
  #alternatives(): Node {
    const all = [this.#sequence()]
    while (this.#source[this.#at] === "|") {
      this.#at++
      all.push(this.#sequence())
    }
    return (next) => all.map((node) => node(next)).reduce((one, other) => this.#add(undefined, one, other))
  }
  #sequence(): Node {
    const nodes: Array<Node> = []
    for (let char = this.#source[this.#at]; char !== undefined && char !== "|" && char !== ")";) {
      const node = char === "(" ? this.#group() : this.#atom()
      if (node === undefined) break
      nodes.push(this.#repeated(node))
      char = this.#source[this.#at]
    }
    return (next) => nodes.reduceRight((next, node) => node(next), next)
  }
  #group(): Node {
    const start = this.#take(/\((?:\?:|\?<\w+>)?(?!\?)/y) ?? unsupported("it has lookarounds or modifiers")
    const node = this.#alternatives()
    if (start === undefined || this.#source[this.#at] !== ")") unsupported("it has anchors inside")
    this.#at++
    return node
  }
  #atom(): Node | undefined {
    const source = this.#take(this.#flags.includes("u") ? anAtom : anAtomOfUnits)?.[0]
    if (source === undefined) {
      return this.#source[this.#at] === "\\" ? unsupported("it has references or word boundaries") : undefined
    }
    const accepts = acceptor(source === "/" || source === "{" || source === "}" ? `\\${source}` : source, this.#flags)
    return (next) => this.#add(accepts, next, -1)
  }
  #repeated(node: Node): Node {
    const found = this.#take(aQuantifier)
    if (found === undefined) return node
    const [text, least, comma, most] = found
    if (text.startsWith("*")) return this.#loop(node, 0)
    if (text.startsWith("+")) return this.#loop(node, 1)
    if (text.startsWith("?")) return this.#times(node, 0, 1)
    const min = Number(least)
    if (comma === undefined) return this.#times(node, min, min)
    return most === "" ? this.#loop(node, min) : this.#times(node, min, Number(most))
  }
  #loop(node: Node, min: number): Node {
    return (next) => {
      const split = this.#add(undefined, -1, next)
      const state = this.states[split]
      if (state !== undefined) state.next = node(split)
      return this.#times(node, min, min)(split)
    }
  }
  #times(node: Node, min: number, max: number): Node {
    return (next) => {
      let first = next
      for (let i = max; i > 0; i--) {
        // Copies of what is empty add no states.
        if (++this.#copies > maxStates) unsupported("it repeats too much")
        const copy = node(first)
        first = i > min ? this.#add(undefined, copy, next) : copy
      }
      return first
    }
  }
  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#source)
    if (found !== null) this.#at += found[0].length
    return found ?? undefined
  }
}

/** The states that a text can be in. */
class Threads {
  readonly #states: ReadonlyArray<State>
  readonly #seen: Uint32Array
  #turn = 0

  constructor(states: ReadonlyArray<State>) {
    this.#states = states
    this.#seen = new Uint32Array(states.length)
  }
  /** Adds the states that are reached without a character. */
  enter(first: number, open: Array<number>, active: Array<State>): void {
    open.push(first)
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      const state = this.#states[index]
      if (state === undefined || this.#seen[index] === this.#turn) continue
      this.#seen[index] = this.#turn
      if (state.accepts !== undefined || state.next < 0) active.push(state)
      else open.push(state.other, state.next)
    }
  }
  matches(first: number, text: string, isUnicode: boolean): boolean {
    const open: Array<number> = []
    let active: Array<State> = []
    this.#turn = 1
    this.#seen.fill(0)
    this.enter(first, open, active)
    for (const char of isUnicode ? text : text.split("")) {
      if (active.length === 0) return false
      const before = active
      active = []
      this.#turn++
      for (const { accepts, next } of before) {
        if (accepts?.(char) === true) this.enter(next, open, active)
      }
    }
    return active.some(({ accepts }) => accepts === undefined)
  }
}

/**
 * Compiles an expression. Returns a text that says why it cannot be.
 *
 * The whole text must match, with and without anchors.
 */
export const compile = ({ flags, source }: RegExp): ((text: string) => boolean) | string => {
  if (/[^imsugyd]/.test(flags) || flags.includes("m")) return "it has the flag m or v"
  if (source.length > maxSourceLength) return `it is longer than ${maxSourceLength} characters`
  const body = source.replace(/^\^/, "").replace(/(?<=(?:^|[^\\])(?:\\\\)*)\$$/, "")
  const compiler = new Compiler(body, flags.replace(/[gyd]/g, ""))
  const first = tryOr(() => compiler.compile(), (error) => error instanceof SyntaxError ? error.message : "it is odd")
  if (typeof first === "string") return first
  const threads = new Threads(compiler.states)
  const isUnicode = flags.includes("u")
  return (text) => text.length <= maxTextLength && threads.matches(first, text, isUnicode)
}
