/** Points in time that users write: ISO texts, dates, and Effect's `DateTime`. */
import * as DateTime from "effect/DateTime"

// Without a zone, a text means another time on another machine.
const iso = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/

/** Returns milliseconds since 1970, or `undefined` for anything else. */
export const timeOf = (value: unknown): number | undefined => {
  if (DateTime.isDateTime(value)) return DateTime.toEpochMillis(value)
  if (value instanceof Date) return finite(value.getTime())
  return typeof value === "string" && iso.test(value) && isDay(value.slice(0, 10))
    ? finite(new Date(value).getTime())
    : undefined
}

const finite = (time: number): number | undefined => Number.isNaN(time) ? undefined : time

// The engine takes the 30th of February for a day in March.
const isDay = (text: string): boolean => {
  const day = new Date(text)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)
}

export const formatTime = (time: number): string => new Date(time).toISOString()
