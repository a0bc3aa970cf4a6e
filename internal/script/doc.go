// Package script lays out SQL statements as files for the tools that run migrations: psql, goose, Atlas,
// golang-migrate. Both adapters print by it what their Migrate would do.
//
//	options.go  Options: which tool, which name, which directory
//	files.go    Files: the statements as the tool wants them
//	atlas.go    the sum of a directory of Atlas's
//	replay.go   Up: what a directory's files do, for whoever has to know the state after them
package script
