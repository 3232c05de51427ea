// Names that begin with an underscore are skipped.
throw new Error("nobody loads this file")
