// Package codegen is Stratum's extension of ent's code generation, for entc.go:
//
//	ext, err := codegen.NewExtension()
//	if err != nil {
//		log.Fatal(err)
//	}
//	err = entc.Generate("./schema", &gen.Config{}, entc.Extensions(ext))
//
// A program that runs the generated client does not import it.
//
//	extension.go  NewExtension, Extension: what ent asks of it; option.go what it can be told
//	class.go      whose the rows of a schema are, as its annotations say
//	check.go      what is refused before anything is written; check_fields.go, check_encrypted.go,
//	              check_edges.go, check_tables.go and check_annotations.go the rules
//	registry.go   the tables as the generated registry has them
//	templates     what is added to the generated client
//	errors.go     SchemaError
package codegen
