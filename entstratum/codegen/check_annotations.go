package codegen

import (
	"strings"

	"entgo.io/ent/entc/gen"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// place is what an annotation can be given to.
type place string

const (
	onSchema place = "a schema"
	onField  place = "a field"
	onIndex  place = "an index"
	onEdge   place = "an edge"
)

// checkAnnotations refuses annotations that nobody reads where they are: whoever wrote them believes that they hold.
func (c *checker) checkAnnotations(n *gen.Type) {
	c.checkAnnotation(n.Name, "", onSchema, n.Annotations)
	for _, f := range fieldsWithID(n) {
		c.checkAnnotation(n.Name, f.Name, onField, f.Annotations)
	}
	for _, index := range n.Indexes {
		c.checkAnnotation(n.Name, index.Name, onIndex, index.Annotations)
	}
	for _, e := range n.Edges {
		if !isThroughEdge(e) {
			c.checkAnnotation(n.Name, e.Name, onEdge, e.Annotations)
		}
	}
}

// isThroughEdge reports whether an edge is one to an edge schema, which ent adds with another edge's annotations.
func isThroughEdge(e *gen.Edge) bool { return e.IsInverse() && e.Ref != nil && e.Ref.Ref != e }

func (c *checker) checkAnnotation(schema, object string, at place, annotations gen.Annotations) {
	a, err := readAnnotation(annotations)
	if err != nil {
		c.refuse(schema, object, "its annotation named "+entstratum.AnnotationName+" is not of package entstratum",
			"use the functions of entstratum, and give other annotations another name")
		return
	}
	for _, said := range saidBy(a) {
		if !strings.Contains(said.places, string(at)) {
			c.refuse(schema, object, said.name+" says nothing on "+string(at),
				"move it to "+said.places+", or remove it")
		}
	}
}

// said is a part of an annotation, and what it can be given to.
type said struct {
	name, places string
}

// saidBy returns the parts of an annotation that say something.
func saidBy(a entstratum.Annotation) []said {
	var list []said
	add := func(says bool, name string, places ...string) {
		if says {
			list = append(list, said{name: name, places: strings.Join(places, " or ")})
		}
	}
	for _, class := range a.Classes {
		add(true, maker(class), string(onSchema))
	}
	add(a.GlobalUnique != "", "entstratum.GlobalUnique()", string(onField), string(onIndex))
	add(a.Personal, "entstratum.Personal()", string(onField))
	add(a.Encrypted, "entstratum.Encrypted()", string(onField))
	add(a.Searchable, "entstratum.Searchable()", string(onField))
	return list
}

// maker is what gives a schema its class.
func maker(class entstratum.Class) string {
	switch class {
	case entstratum.ClassOwned:
		return "entstratum.Mixin{}"
	case entstratum.ClassMixed:
		return "entstratum.OwnOrGlobal{}"
	case entstratum.ClassGlobal:
		return "entstratum.Global()"
	case entstratum.ClassView:
		return "entstratum.SecurityInvoker()"
	}
	return string(class)
}
