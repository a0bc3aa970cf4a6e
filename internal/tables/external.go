package tables

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ParseExternal reads an external table as a user writes it: "name" or "name: SELECT, INSERT", where the name may have
// a schema. Its errors go behind the name of the option that holds it.
func ParseExternal(declared string) (Table, error) {
	name, list, _ := strings.Cut(declared, ":")
	name = strings.TrimSpace(name)
	if name == "" {
		return Table{}, errors.New("holds an empty name")
	}
	t := Table{Kind: External}
	t.Schema, t.Name = SplitName(name)
	for right := range strings.SplitSeq(list, ",") {
		right = strings.ToUpper(strings.TrimSpace(right))
		switch {
		case right == "":
		case slices.Contains(dataRights(), right):
			t.Rights = append(t.Rights, right)
		default:
			return Table{}, fmt.Errorf("%q: unknown right %q (use SELECT, INSERT, UPDATE, DELETE)", name, right)
		}
	}
	return t, nil
}

// SplitName takes a schema off a table's name, where it has one.
func SplitName(name string) (schema, table string) {
	if schema, table, ok := strings.Cut(name, "."); ok {
		return schema, table
	}
	return "", name
}
