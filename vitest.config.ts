import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^effect-openfeature$/, replacement: path("./src/index.ts") },
      { find: /^effect-openfeature\/node$/, replacement: path("./src/node/index.ts") },
      { find: /^effect-openfeature\/otel$/, replacement: path("./src/otel/index.ts") },
      { find: /^effect-openfeature\/redis$/, replacement: path("./src/redis/index.ts") },
      { find: /^effect-openfeature\/testing$/, replacement: path("./src/testing/index.ts") },
      { find: /^effect-openfeature\/(.+)$/, replacement: `${path("./src")}/$1.ts` }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    // By default one core is left to the watcher, which of two is half the machine.
    maxWorkers: "100%",
    execArgv: ["--expose-gc"],
    // These end a test that hangs. A machine that stands still for a while fails none.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    dangerouslyIgnoreUnhandledErrors: false,
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      exclude: ["src/index.ts", "src/*/index.ts"],
      reporter: ["text", "json-summary"],
      reportsDirectory: ".cache/coverage",
      thresholds: { lines: 95, branches: 95, functions: 95, statements: 95 }
    }
  }
})
