// Package fields knows encrypted columns in the text of SQL: which statements may name one, what the columns of a
// result are, and how the rows are opened. An adapter says which columns there are, and rewrites what it can.
//
//	words.go       the words of a statement, and names in it
//	comparison.go  conditions that a column is, or is not, one of some parameters
//	table.go       Table, Column and Names: what a statement calls its tables
//	statement.go   Watcher: refuses what only the value could answer
//	rows.go        opens the rows of a result
package fields
