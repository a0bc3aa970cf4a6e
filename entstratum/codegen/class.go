package codegen

import (
	"bytes"
	"encoding/json"
	"slices"

	"entgo.io/ent/entc/gen"

	"github.com/stratum-hq/stratum-go/entstratum"
)

// class is whose the rows of a schema are. The zero value is nobody's, and is refused.
type class entstratum.Class

func (c class) hasTenant() bool {
	return c == class(entstratum.ClassOwned) || c == class(entstratum.ClassMixed)
}

func (c class) is(other entstratum.Class) bool { return c == class(other) }

// annotationOf is what a schema, field or index says of itself, or nothing where that cannot be read.
func annotationOf(annotations gen.Annotations) entstratum.Annotation {
	a, err := readAnnotation(annotations)
	if err != nil {
		return entstratum.Annotation{}
	}
	return a
}

// readAnnotation reads what a schema, field, index or edge says of itself. ent hands annotations on as decoded JSON.
func readAnnotation(annotations gen.Annotations) (entstratum.Annotation, error) {
	var a entstratum.Annotation
	said, ok := annotations[entstratum.AnnotationName]
	if !ok {
		return a, nil
	}
	text, err := json.Marshal(said)
	if err != nil {
		return a, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(&a)
	return a, err
}

// classOf returns the class of a schema, or none where it has none or several.
func classOf(annotations gen.Annotations) class {
	if classes := annotationOf(annotations).Classes; len(classes) == 1 && slices.Contains([]entstratum.Class{
		entstratum.ClassOwned, entstratum.ClassMixed, entstratum.ClassGlobal, entstratum.ClassView,
	}, classes[0]) {
		return class(classes[0])
	}
	return ""
}
