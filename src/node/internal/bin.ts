#!/usr/bin/env node
/** Starts the command. */
import * as Effect from "effect/Effect"
import * as Started from "../../internal/started.ts"
import { readString } from "../../internal/untrusted.ts"
import { run } from "./command.ts"

const { env, stderr, stdin, stdout } = process

for (const stream of [stdout, stderr]) {
  stream.on("error", (error) => {
    // Whatever reads the output, such as `head`, has enough.
    process.exit(readString(error, "code") === "EPIPE" ? 0 : 1)
  })
}

const writeTo = (stream: NodeJS.WriteStream) => (text: string): Effect.Effect<void> =>
  text === "" ? Effect.void : Effect.callback((resume) => {
    stream.write(text, () => resume(Effect.void))
  })

process.exitCode = await Started.runPromise(run(process.argv.slice(2), {
  stdin,
  write: writeTo(stdout),
  writeError: writeTo(stderr),
  hasColours: stdout.isTTY && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb"
}))
