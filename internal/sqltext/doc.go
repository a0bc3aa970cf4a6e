// Package sqltext reads SQL text the way PostgreSQL's lexer does, as far as the guard needs it: which command a
// statement is, whether it is one statement, and where its placeholders stand. It is no parser and no security
// boundary by itself; where it cannot tell, its callers refuse.
//
//	token.go    the lexer: words, strings, quoted names, comments, placeholders
//	path.go     the entries of a search_path
//	command.go  Inspect: the first word of a statement and what in it outlives a transaction
//	bind.go     Bind: one statement with literals in place of its placeholders, for the simple protocol
package sqltext
