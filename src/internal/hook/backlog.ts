/** Tasks that wait, in the order of their arrival. Those with one key leave one after the other. */
import * as MutableList from "effect/MutableList"

export abstract class Task {
  /** Tasks with one key run one after the other, in their order. */
  readonly key: string | undefined
  arrival = 0
  /** A task ends once, also when it was given up and ends later. */
  isEnded = false

  constructor(key: string | undefined) {
    this.key = key
  }
}

export class Backlog<T extends Task> {
  readonly #tasks = MutableList.make<T>()
  /** Tasks that have left a lane. */
  readonly #ready = MutableList.make<T>()
  /** Tasks that were taken while another one with their key was running. A lane lasts as long as its key has tasks. */
  readonly #lanes = new Map<string, MutableList.MutableList<T>>()
  #arrivals = 0
  #size = 0

  /** The number of all tasks that wait. */
  get size(): number {
    return this.#size
  }

  /** The number of those that do not wait in a lane. */
  get open(): number {
    return this.#ready.length + this.#tasks.length
  }

  add(task: T): void {
    task.arrival = this.#arrivals++
    this.#size++
    MutableList.append(this.#tasks, task)
  }

  /** Takes tasks that may run now. Tasks with keys are taken one by one; there may be none although some are open. */
  take(count: number): ReadonlyArray<T> {
    if (this.#ready.length > 0) return this.#takeFrom(this.#ready, 1)
    const tasks = this.#takeFrom(this.#tasks, count)
    const [first] = tasks
    return first?.key === undefined || this.#enter(first, first.key) ? tasks : []
  }

  #takeFrom(list: MutableList.MutableList<T>, count: number): ReadonlyArray<T> {
    const tasks = MutableList.takeN(list, count)
    this.#size -= tasks.length
    return tasks
  }

  #enter(task: T, key: string): boolean {
    const lane = this.#lanes.get(key)
    if (lane === undefined) {
      this.#lanes.set(key, MutableList.make())
      return true
    }
    MutableList.append(lane, task)
    this.#size++
    return false
  }

  /** Lets the next task with the key of a task that has ended go on. */
  leave({ key }: Task): void {
    const lane = key === undefined ? undefined : this.#lanes.get(key)
    if (key === undefined || lane === undefined) return
    const next = MutableList.take(lane)
    if (next === MutableList.Empty) this.#lanes.delete(key)
    else MutableList.append(this.#ready, next)
  }

  takeOldest(): ReadonlyArray<T> {
    let oldest = this.#tasks
    for (const list of [this.#ready, ...this.#lanes.values()]) {
      if (arrivalIn(list) < arrivalIn(oldest)) oldest = list
    }
    const tasks = this.#takeFrom(oldest, 1)
    if (oldest === this.#ready) tasks.forEach((task) => this.leave(task))
    return tasks
  }

  takeAll(): ReadonlyArray<T> {
    return [this.#ready, this.#tasks, ...this.#lanes.values()].flatMap((list) => this.#takeFrom(list, list.length))
  }
}

const arrivalIn = <T extends Task>(list: MutableList.MutableList<T>): number =>
  MutableList.toArrayN(list, 1)[0]?.arrival ?? Number.POSITIVE_INFINITY
