// Package ltree has the value types Label and Path for PostgreSQL's ltree extension, a materialised path such as
// "acme.emea.berlin".
//
// A value of either type is valid or zero: nothing but validation makes one. Both are comparable with == and may be
// keys of a map, and the zero Path is the empty path, which PostgreSQL knows too (its nlevel is 0).
//
//	label.go, path.go   the two types, how to parse them and what they consist of
//	algebra.go          ancestors, descendants, LCA, Subpath, Append, Concat, Compare: PostgreSQL's semantics exactly
//	text.go, sql.go     encoding.TextMarshaler (thus JSON), sql.Scanner, driver.Valuer, the column type for GORM
//	pgx.go              Register, which teaches a pgx connection ltree and ltree[]
//	errors.go           ErrX for what callers branch on, *ParseError for where a text is wrong
//
// # Which texts are valid
//
// What PostgreSQL accepts depends on its version and on the locale of the database. This package accepts what every
// supported server does, so that a path stored on one can be moved to any other:
//
//   - a label has the characters A-Z, a-z, 0-9 and _ only. PostgreSQL 16 and newer take "-" as well, and a database
//     whose locale is not C takes letters such as "ä";
//   - a label has 1 to 255 characters, PostgreSQL 15's limit. Newer servers take 1000;
//   - a path has at most 65535 labels, on every version.
//
// Reading a stored path that breaks these rules is an error that names the offending byte, never a silent change.
//
// # In a pgx, GORM or ent program
//
// A Path is a query argument and a scan target for pgx and database/sql as it is. A pgx connection needs Register only
// for the binary format and for slices. In a GORM model a field of type Path becomes a column of type ltree. In an ent
// schema say
//
//	field.Other("path", ltree.Path{}).SchemaType(map[string]string{dialect.Postgres: "ltree"})
package ltree
