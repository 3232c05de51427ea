// Imports a module as a user does: `node import.mjs SPECIFIER`.
await import(process.argv[2])
