/** All hooks of a client in their running order, level by level, as text. */
import * as SDK from "@openfeature/server-sdk"
import { sourceOf } from "../bridge/sdkHook.ts"
import { hooksOf } from "../client/clientHooks.ts"
import { stages } from "../hook/part.ts"
import { operands, print } from "../hook/printed.ts"
import type { Registration } from "../hook/registration.ts"
import { oneLine, truncate } from "../text.ts"
import { read, readString, tryOr } from "../untrusted.ts"
import { memberOf } from "./member.ts"

/** A client of the SDK, or `FeatureFlags` with the client of the SDK that it uses. */
export type Client = SDK.Client | { readonly client: SDK.Client }

type Row = readonly [level: string, hook: string, stages: string, registered: string]

type Cells = readonly [hook: string, stages: string, registered: string]

const stagesOf = (...hooks: ReadonlyArray<object>): string =>
  stages.filter((stage) => hooks.some((hook) => typeof read(hook, stage) === "function")).join(", ")

const registeredAs = (registration: Registration): string => {
  const member = memberOf(registration)
  if (member === undefined) return ""
  const { description, name, priority, version } = member.info
  const facts = [
    version,
    priority === 0 ? undefined : `priority ${priority}`,
    description
  ].filter((fact) => fact !== undefined)
  return oneLine([name, ...facts].join(", "), 256)
}

const cellsOf = (registration: Registration): ReadonlyArray<Cells> =>
  operands(registration.parts).map((
    hook
  ) => [truncate(print(hook), 128), stagesOf(...hook), registeredAs(registration)])

const foreign = (hook: object): Cells => {
  const name = readString(read(hook, "constructor"), "name")
  const isNamed = name !== undefined && name !== "" && name !== "Object"
  return [isNamed ? `${oneLine(name, 128)} (SDK)` : "(SDK)", stagesOf(hook), ""]
}

const sdkCells = (hooks: ReadonlyArray<object>): ReadonlyArray<Cells> =>
  hooks.flatMap((hook) => sourceOf(hook)?.stack.registrations.flatMap(cellsOf) ?? [foreign(hook)])

const none: Cells = ["-", "", ""]

const level = (name: string, cells: ReadonlyArray<Cells>): ReadonlyArray<Row> =>
  (cells.length === 0 ? [none] : cells).map((cell) => [name, ...cell])

const providerHooks = (domain: string | undefined): ReadonlyArray<object> =>
  tryOr(() => Array.from(SDK.OpenFeature.getProvider(domain).hooks ?? []), () => [])

const rowsOf = (client: Client): ReadonlyArray<Row> => {
  const sdk = "client" in client ? client.client : client
  return [
    ["level", "hook", "stages", "registered as"],
    ...level("API", sdkCells(SDK.OpenFeature.getHooks())),
    ...level("client", [
      ...sdkCells(sdk.getHooks()),
      ...hooksOf(client)?.stack.registrations.flatMap(cellsOf) ?? []
    ]),
    ...level("invocation", [["(those of the evaluation)", "", ""]]),
    ...level("provider", sdkCells(providerHooks(sdk.metadata.domain)))
  ]
}

export const tableOf = (client: Client): string => {
  const rows = rowsOf(client)
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()).join("\n")
}
