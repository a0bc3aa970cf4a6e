package script

import "io/fs"

// AtlasSum is the atlas.sum of a directory with one file more.
func AtlasSum(dir fs.FS, added ...File) (File, error) { return Options{Dir: dir}.atlasSum(added...) }

// GooseStatement is a statement as it stands in a migration of goose.
func GooseStatement(statement string) string { return gooseStatement(statement) }
