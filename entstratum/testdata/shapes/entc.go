//go:build ignore

package main

import (
	"log"

	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"

	"github.com/stratum-hq/stratum-go/entstratum/codegen"
)

func main() {
	ext, err := codegen.NewExtension()
	if err != nil {
		log.Fatal(err)
	}
	config := &gen.Config{Target: "./ent", Package: "example.com/shapes/ent"}
	err = entc.Generate("./schema", config, entc.Extensions(ext), entc.FeatureNames("sql/upsert"))
	if err != nil {
		log.Fatal(err)
	}
}
