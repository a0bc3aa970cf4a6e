package codegen

import (
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

// annotationOf reads what a schema, field or index says of itself. ent hands annotations on as decoded JSON.
func annotationOf(annotations gen.Annotations) entstratum.Annotation {
	var a entstratum.Annotation
	if text, err := json.Marshal(annotations[entstratum.AnnotationName]); err == nil {
		_ = json.Unmarshal(text, &a) // one that does not fit says nothing, and the schema is refused
	}
	return a
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
