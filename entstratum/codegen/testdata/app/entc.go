//go:build ignore

// Generates the schemas of the folders that it is told: [-plain] [-first] folder...
package main

import (
	"flag"
	"log"

	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"

	"example.com/app/audit"

	"github.com/stratum-hq/stratum-go/entstratum/codegen"
)

var (
	plain = flag.Bool("plain", false, "without extensions")
	first = flag.Bool("first", false, "Stratum before the other extension")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	for _, folder := range flag.Args() {
		if err := generate(folder); err != nil {
			log.Fatal(err)
		}
	}
}

func generate(folder string) error {
	config := &gen.Config{Target: "./" + folder + "/ent", Package: "example.com/app/" + folder + "/ent"}
	switch folder {
	case "store": // a package of another name, and no features
		config.Target, config.Package = "./store/the_data", "example.com/app/store/the-data"
	case "desk":
		config.Features = []gen.Feature{
			gen.FeatureEntQL, gen.FeatureUpsert, gen.FeatureModifier, gen.FeatureLock, gen.FeatureNamedEdges,
			gen.FeatureBidiEdgeRefs, gen.FeatureSnapshot, gen.FeatureVersionedMigration,
		}
	}
	extensions, err := extensions(folder)
	if err != nil {
		return err
	}
	return entc.Generate("./"+folder+"/schema", config, entc.Extensions(extensions...))
}

func extensions(folder string) ([]entc.Extension, error) {
	if *plain {
		return nil, nil
	}
	ext, err := codegen.NewExtension(codegen.External("river_job: SELECT, INSERT"))
	switch {
	case err != nil:
		return nil, err
	case folder == "store" || folder == "names":
		return []entc.Extension{ext}, nil
	case *first:
		return []entc.Extension{ext, audit.Extension{}}, nil
	}
	return []entc.Extension{audit.Extension{}, ext}, nil
}
