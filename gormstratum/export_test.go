package gormstratum

import "io/fs"

// AtlasSum is the atlas.sum of a directory with one file more.
func AtlasSum(dir fs.FS, added ScriptFile) (ScriptFile, error) {
	return ScriptOptions{Dir: dir}.atlasSum(added)
}

// GooseStatement is a statement as it stands in a migration of goose.
func GooseStatement(statement string) string { return gooseStatement(statement) }
