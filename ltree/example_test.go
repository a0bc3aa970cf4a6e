package ltree_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/stratum-hq/stratum-go/ltree"
)

func Example() {
	acme := ltree.MustParse("acme")
	berlin, err := ltree.Parse("acme.emea.berlin")
	if err != nil {
		panic(err)
	}
	fmt.Println(berlin.Depth(), acme.IsAncestorOf(berlin))
	for _, ancestor := range append(berlin.Ancestors(), berlin) {
		fmt.Println(ancestor)
	}
	// Output:
	// 3 true
	// acme
	// acme.emea
	// acme.emea.berlin
}

func ExampleParse() {
	_, err := ltree.Parse("acme..berlin")
	var parseError *ltree.ParseError
	if errors.As(err, &parseError) {
		fmt.Println(parseError.Offset, errors.Is(err, ltree.ErrEmptyLabel))
	}
	// Output: 5 true
}

func ExampleParseLabel() {
	_, err := ltree.ParseLabel("north-america")
	fmt.Println(err)
	// Output:
	// parse "north-america", byte 5: ltree: character not allowed in a label (use only A-Z, a-z, 0-9 and _)
}

func ExampleNew() {
	path, err := ltree.New(ltree.MustParseLabel("acme"), ltree.MustParseLabel("emea"))
	fmt.Println(path, err)
	// Output: acme.emea <nil>
}

func ExamplePath_Append() {
	path, err := ltree.MustParse("acme").Append(ltree.MustParseLabel("emea"), ltree.MustParseLabel("berlin"))
	fmt.Println(path, err)
	// Output: acme.emea.berlin <nil>
}

// Moving a subtree replaces the path of its old parent by that of the new one.
func ExamplePath_Concat() {
	team := ltree.MustParse("acme.emea.berlin.team1")
	tail, err := team.SubpathFrom(ltree.MustParse("acme.emea").Depth())
	if err != nil {
		panic(err)
	}
	moved, err := ltree.MustParse("acme.apac").Concat(tail)
	fmt.Println(moved, err)
	// Output: acme.apac.berlin.team1 <nil>
}

func ExamplePath_Parent() {
	fmt.Println(ltree.MustParse("acme.emea").Parent())
	_, ok := ltree.MustParse("acme").Parent()
	fmt.Println(ok)
	// Output:
	// acme true
	// false
}

func ExamplePath_Labels() {
	path := ltree.MustParse("acme.emea.berlin")
	root, _ := path.Root()
	second, _ := path.Label(1)
	leaf, _ := path.Leaf()
	fmt.Println(path.Labels(), root, second, leaf)
	// Output: [acme emea berlin] acme emea berlin
}

// As PostgreSQL's @> and <@, both are true of a path and itself.
func ExamplePath_IsAncestorOf() {
	acme, emea := ltree.MustParse("acme"), ltree.MustParse("acme.emea")
	fmt.Println(acme.IsAncestorOf(emea), acme.IsAncestorOf(acme), emea.IsDescendantOf(acme))
	fmt.Println(acme.IsAncestorOf(ltree.MustParse("acme2")))
	// Output:
	// true true true
	// false
}

func ExamplePath_Compare() {
	list := []ltree.Path{ltree.MustParse("acme2"), ltree.MustParse("acme.emea"), ltree.MustParse("acme")}
	slices.SortFunc(list, ltree.Path.Compare)
	fmt.Println(list)
	// Output: [acme acme.emea acme2]
}

func ExampleLCA() {
	fmt.Println(ltree.LCA(ltree.MustParse("acme.emea.berlin"), ltree.MustParse("acme.emea.paris")))
	// An ancestor in the sense of LCA is a proper one.
	fmt.Println(ltree.LCA(ltree.MustParse("acme.emea"), ltree.MustParse("acme.emea.paris")))
	// Output:
	// acme.emea true
	// acme true
}

func ExamplePath_Subpath() {
	path := ltree.MustParse("acme.emea.berlin.team1")
	fmt.Println(path.Subpath(1, 2))
	fmt.Println(path.Subpath(-1, 1))
	fmt.Println(path.Subpath(0, -1))
	// Output:
	// emea.berlin <nil>
	// team1 <nil>
	// acme.emea.berlin <nil>
}

func ExamplePath_MarshalText() {
	text, err := json.Marshal(map[string]ltree.Path{"path": ltree.MustParse("acme.emea")})
	fmt.Println(string(text), err)
	// Output: {"path":"acme.emea"} <nil>
}

func ExamplePath_Scan() {
	var path ltree.Path
	fmt.Println(errors.Is(path.Scan(nil), ltree.ErrNull))

	var nullable sql.Null[ltree.Path]
	fmt.Println(nullable.Scan(nil), nullable.Valid)
	// Output:
	// true
	// <nil> false
}
