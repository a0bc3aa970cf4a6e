package entstratum_test

import (
	"encoding/json"
	"slices"
	"testing"

	"entgo.io/ent/schema"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/entstratum"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// elsewhere is an annotation of somebody else's.
type elsewhere struct{}

func (elsewhere) Name() string { return "Comment" }

// merged merges annotations as ent does, from left to right.
func merged(t *testing.T, first schema.Annotation, others ...schema.Annotation) entstratum.Annotation {
	t.Helper()
	for _, other := range others {
		merger, ok := first.(schema.Merger)
		require.True(t, ok)
		first = merger.Merge(other)
	}
	a, ok := first.(entstratum.Annotation)
	require.True(t, ok)
	return a
}

func TestAnnotationMerge(t *testing.T) {
	t.Parallel()
	all := entstratum.Annotation{GlobalUnique: "a reason", Personal: true, Encrypted: true, Searchable: true}
	all.Indexes = []fieldcrypt.IndexOptions{{}}
	pointer := entstratum.Encrypted()
	parts := []schema.Annotation{
		entstratum.Personal(), &pointer, entstratum.Searchable(), entstratum.GlobalUnique("a reason"),
	}
	for shift := range parts {
		turned := slices.Concat(parts[shift:], parts[:shift])
		require.Equal(t, all, merged(t, entstratum.Annotation{}, turned...))
		require.Equal(t, all, merged(t, turned[0], turned[1:]...), "the first is %T", turned[0])
	}
	require.Equal(t, all, merged(t, all, all), "twice is once")
}

func TestAnnotationMergeEncrypted(t *testing.T) {
	t.Parallel()
	last4 := fieldcrypt.IndexOptions{Name: "last4", Normalize: []fieldcrypt.Normalizer{fieldcrypt.Last4}}
	a := merged(t, entstratum.Searchable(fieldcrypt.IndexOptions{}, last4),
		entstratum.Encrypted(entstratum.EncryptedOptions{Label: "a.b", Alg: fieldcrypt.XAES256GCM, PrimaryKey: true}),
		entstratum.Encrypted(), entstratum.Searchable(last4))
	require.Equal(t, entstratum.Annotation{
		Encrypted: true, Label: "a.b", Alg: fieldcrypt.XAES256GCM, PrimaryKey: true, Searchable: true,
		Indexes: []fieldcrypt.IndexOptions{{}, last4},
	}, a)
}

func TestAnnotationMergeClasses(t *testing.T) {
	t.Parallel()
	owned, mixed := entstratum.Mixin{Column: "org_id"}.Annotations()[0], entstratum.OwnOrGlobal{}.Annotations()[0]
	both := []entstratum.Class{entstratum.ClassGlobal, entstratum.ClassOwned}
	require.Equal(t, both, merged(t, owned, entstratum.Global()).Classes)
	require.Equal(t, both, merged(t, entstratum.Global(), owned, owned).Classes, "in whatever order, and once")
	require.Equal(t, "org_id", merged(t, owned, entstratum.Global()).Column)
	require.Equal(t, "tenant_id", merged(t, owned, mixed).Column, "what comes later overrides, as a schema does its mixins")
	require.Equal(t, "two", merged(t, entstratum.GlobalUnique("one"), entstratum.GlobalUnique("two")).GlobalUnique)

	kept, ok := owned.(entstratum.Annotation)
	require.True(t, ok)
	require.Equal(t, []entstratum.Class{entstratum.ClassOwned}, kept.Classes, "what was merged is as it was")
}

func TestAnnotationMergeForeign(t *testing.T) {
	t.Parallel()
	a := entstratum.GlobalUnique("a reason")
	for _, other := range []schema.Annotation{nil, elsewhere{}, &elsewhere{}, (*entstratum.Annotation)(nil)} {
		require.Equal(t, a, merged(t, a, other), "%T", other)
	}
}

// TestAnnotationEncoding: ent passes annotations on as JSON, in which what says nothing has no place.
func TestAnnotationEncoding(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(merged(t, entstratum.Personal(), entstratum.Encrypted()))
	require.NoError(t, err)
	require.JSONEq(t, `{"personal": true, "encrypted": true}`, string(text))
	require.Equal(t, entstratum.AnnotationName, entstratum.Global().Name())
}
