// Package dataset reads the ticket desk of the examples from CSV files: a tree of tenants with tickets, comments and
// tags, and countries that all share. What is wrong in a file is reported before anything is written.
//
//	records.go  Country, Ticket, Comment, Tag: the records, before an ORM has seen them
//	dataset.go  Read: all files, checked and put together
//	csv.go      one file; InputError says what is wrong in it, and where
//	files.go    Files: the built-in files, or those of a folder
package dataset
