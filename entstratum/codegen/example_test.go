package codegen_test

import (
	"fmt"
	"log"

	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"

	"github.com/stratum-hq/stratum-go/entstratum/codegen"
)

// What entc.go does, up to generating.
func ExampleNewExtension() {
	ext, err := codegen.NewExtension(codegen.External("river_job: SELECT, INSERT"))
	if err != nil {
		log.Fatal(err)
	}
	config := &gen.Config{}
	if err := entc.Extensions(ext)(config); err != nil { // together with other extensions, in any order
		log.Fatal(err)
	}
	for _, feature := range config.Features {
		fmt.Println(feature.Name)
	}
	// and then: err = entc.Generate("./schema", config)

	// Output:
	// privacy
	// intercept
	// sql/execquery
}
