// The floors of src, bottom first: a file imports from its own floor and from those below, types included.
const floors = [
  ["the ground", "^src/internal/[^/]+$"],
  [
    "the model",
    "^src/(EvaluationContext|EvaluationError|EvaluationDetails|HookContext|HookHints|HookFailures|FlagFilter|Privacy)[.]ts$"
  ],
  ["what a hook is made of", "^src/internal/hook/"],
  ["the runner", "^src/internal/runner/"],
  ["the hook", "^src/FeatureHook[.]ts$"],
  ["the bridge and the client", "^src/internal/(bridge|client)/"],
  ["Flag", "^src/Flag[.]ts$"],
  ["ResolutionProvider", "^src/ResolutionProvider[.]ts$"],
  ["OpenFeatureHook", "^src/OpenFeatureHook[.]ts$"],
  ["FlagTransaction", "^src/FlagTransaction[.]ts$"],
  ["FeatureFlags", "^src/FeatureFlags[.]ts$"],
  ["the registry of hooks", "^src/(HookRegistry[.]ts$|internal/registry/)"],
  ["the audit trail", "^src/audit/"],
  ["the built-in hooks", "^src/hooks/"],
  ["what needs Redis", "^src/redis/"],
  ["the ground of telemetry", "^src/otel/internal/"],
  ["telemetry", "^src/otel/[^/]+$"],
  ["what only Node has", "^src/node/"],
  ["the test kit", "^src/testing/"],
  ["the root", "^src/index[.]ts$"]
]
const paths = floors.map(([, path]) => path)
const core = paths.slice(0, 12)

const error = (name, comment, from, to) => ({ name, comment, severity: "error", from, to })

module.exports = {
  forbidden: [
    ...floors.slice(0, -1).map(([name, path], floor) =>
      error("floors", `${name} imports from its own floor and from those below`, { path }, {
        path: paths.slice(floor + 1)
      })
    ),
    error("every-file-has-a-floor", "add it to the floors in this file", { path: "^src/", pathNot: paths }, {}),
    error("every-file-has-a-floor", "add it to the floors in this file", {}, { path: "^src/", pathNot: paths }),
    error("every-file-has-a-floor", "add it to the floors in this file", {
      path: "^src/",
      pathNot: paths,
      orphan: true
    }, {}),
    error("no-cycles", "two files that import each other are one file", {}, { circular: true }),
    error("core-stands-alone", "the core knows neither the built-in hooks nor telemetry", { path: core }, {
      path: ["^src/hooks/", "^src/otel/"]
    }),
    error("test-kit-apart", "only src/testing imports src/testing", { path: "^src/", pathNot: "^src/testing/" }, {
      path: "^src/testing/"
    }),
    error("redis-apart", "only src/redis imports src/redis", { path: "^src/", pathNot: "^src/redis/" }, {
      path: "^src/redis/"
    }),
    error("telemetry-apart", "only src/otel imports @opentelemetry", { path: "^src/", pathNot: "^src/otel/" }, {
      path: "@opentelemetry/"
    }),
    error(
      "telemetry-is-optional",
      "the root and the test kit work without @opentelemetry/api",
      { path: ["^src/index[.]ts$", "^src/testing/"] },
      { path: "@opentelemetry/", reachable: true }
    ),
    error("no-node", "only src/node depends on Node; src/internal/node.ts looks it up", {
      path: "^src/",
      pathNot: ["^src/internal/node[.]ts$", "^src/node/"]
    }, { dependencyTypes: ["core"] }),
    error("node-apart", "only src/node imports src/node", { path: "^src/", pathNot: "^src/node/" }, {
      path: "^src/node/"
    }),
    error("peers-only", "users have the peer dependencies and nothing else", { path: "^src/" }, {
      dependencyTypes: ["npm", "npm-dev", "npm-optional", "npm-no-pkg", "npm-unknown"],
      dependencyTypesNot: ["npm-peer"]
    }),
    error("resolvable", "the import leads nowhere", {}, { couldNotResolve: true })
  ],
  options: {
    // TypeScript 7 has no parser for others to use. The linter refuses `import("...")` in types, which swc leaves out.
    parser: "swc",
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["types", "import", "default"] }
  }
}
