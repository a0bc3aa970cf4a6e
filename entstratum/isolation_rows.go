package entstratum

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stratum-hq/stratum-go/internal/isolation"
)

// held is what Seed has made.
type held struct {
	values isolation.Values
	entity reflect.Value // a pointer to the entity, as ent has read it
	free   reflect.Value // an entity at the other end of an edge that is not linked, where a path asks for one
}

func rowOf(row isolation.Row) held {
	h, _ := row.Value.(held)
	return h
}

// freePrefix marks what Seed is asked for by paths that link a row: one at the other end that nothing is linked to.
const freePrefix = "unlinked row for "

// seed makes a row of the tenant of ctx, and what a path wants beside it.
func (s *isolated) seed(ctx context.Context, with string) (isolation.Row, error) {
	values, err := s.rows.Make(ctx, s.entity.entry, nil)
	if err != nil {
		return isolation.Row{}, err
	}
	h := held{values: values}
	row := isolation.Row{Keys: map[string]string{"": s.rows.Key(s.entity.entry, values)}}
	if h.entity, err = s.load(ctx, s.entity, values); err != nil {
		return isolation.Row{}, err
	}
	if with != "" {
		key, ok, err := s.sql.Relate(ctx, with, values)
		if !ok {
			key, err = s.relate(ctx, with, &h)
		}
		if err != nil {
			return isolation.Row{}, err
		}
		row.Keys[with] = key
	}
	row.Value = h
	return row, nil
}

// load reads a row that is there.
func (s *isolated) load(ctx context.Context, e *entity, values isolation.Values) (reflect.Value, error) {
	facts, err := s.rows.Facts(ctx, e.entry)
	if err != nil {
		return reflect.Value{}, err
	}
	key := make([]any, len(facts.Primary))
	for i, name := range facts.Primary {
		key[i] = values[name]
	}
	query := where(call(s.on(s.client, e), "Query"), isKey(facts.Primary, key))
	v, err := run(query, "Only", ctx)
	if err != nil {
		return v, fmt.Errorf("entstratum: reading a row of %s: %w", e.table.Entity, err)
	}
	return v, nil
}

// relate makes what a path wants at the other end of an edge and returns its key.
func (s *isolated) relate(ctx context.Context, with string, h *held) (string, error) {
	name, free := strings.CutPrefix(with, freePrefix)
	i := slices.IndexFunc(s.edges, func(e entityEdge) bool { return e.name == name })
	e := s.edges[i]
	if free {
		values, err := s.rows.Loose(ctx, e.to.entry)
		if err != nil {
			return "", err
		}
		h.free, err = s.load(ctx, e.to, values)
		return s.rows.Key(e.to.entry, values), err
	}
	there, err := s.neighbours(ctx, e, h.entity)
	if err != nil || len(there) > 0 {
		return first(there), err
	}
	if err := s.link(ctx, e, h); err != nil {
		return "", fmt.Errorf("entstratum: making a row for edge %s of %s: %w (skip the edge's paths with "+
			"IsolationOptions.Skip)", e.name, s.entity.table.Entity, err)
	}
	there, err = s.neighbours(ctx, e, h.entity)
	return first(there), err
}

func first(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return keys[0]
}

// neighbours are the rows at the other end of an edge.
func (s *isolated) neighbours(ctx context.Context, e entityEdge, of reflect.Value) ([]string, error) {
	rows, err := run(call(s.own(), "Query"+e.name, of), "All", ctx)
	return e.to.keysOf(rows), err
}

// link links a new row by ent's own means, or where ent has none for the edge by the one foreign key that leads back.
func (s *isolated) link(ctx context.Context, e entityEdge, h *held) error {
	if e.setter != "" && !s.needed(e) {
		values, err := s.rows.Loose(ctx, e.to.entry)
		if err != nil {
			return err
		}
		other, err := s.load(ctx, e.to, values)
		if err != nil {
			return err
		}
		return exec(call(call(s.own(), "UpdateOne", h.entity), e.setter, other), "Exec", ctx)
	}
	facts, err := s.rows.Facts(ctx, e.to.entry)
	if err != nil {
		return err
	}
	for _, r := range facts.References {
		if s.rows.Referred(r) == s.entity.entry {
			_, err := s.rows.Make(ctx, e.to.entry, s.sql.RefersTo(e.to.entry, r, h.values))
			return err
		}
	}
	return errors.New("neither ent nor a foreign key links one")
}

// readKey finds the fields of the primary key.
func (e *entity) readKey(facts *isolation.Facts) error {
	e.key = nil
	for _, name := range facts.Primary {
		i := e.fieldOf(name)
		if id, ok := e.typ.FieldByName("ID"); i < 0 && ok && len(facts.Primary) == 1 {
			i = id.Index[0]
		}
		if i < 0 {
			return fmt.Errorf("%w %s has no field for column %q of its primary key", errEntity, e.table.Entity, name)
		}
		e.key = append(e.key, i)
	}
	return nil
}

// fieldOf returns the number of the field that a column is read into, or -1 where there is none, as for the foreign key
// of an edge without a field. ent names fields after the schema's in camel case, and columns as they are.
func (e *entity) fieldOf(column string) int {
	name := column
	if column == e.table.Column {
		name = FieldName
	}
	for field, key := range e.table.StorageKeys {
		if key == column {
			name = field
		}
	}
	for i := range e.typ.NumField() {
		f := e.typ.Field(i)
		if f.IsExported() && !f.Anonymous && f.Name != "Edges" && plain(f.Name) == plain(name) {
			return i
		}
	}
	return -1
}

// plain leaves of a name what is the same in all cases.
func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// template are the values that are set in an entity, but for its keys: they are another row's.
func (e *entity) template(v reflect.Value) (isolation.Values, error) {
	blank := reflect.New(e.typ)
	blank.Elem().Set(v.Elem())
	for i := range e.typ.NumField() {
		if f := e.typ.Field(i); f.Name == "ID" || f.Name == "TenantID" || slices.Contains(e.key, i) {
			blank.Elem().Field(i).SetZero()
		}
	}
	return e.valuesOf(blank.Interface())
}

// valuesOf are the values that are set in an entity.
func (e *entity) valuesOf(model any) (isolation.Values, error) {
	v := reflect.ValueOf(model)
	if reflect.TypeOf(model) != reflect.PointerTo(e.typ) || v.IsNil() {
		return nil, fmt.Errorf("%w: the Sample is a %T, not a *%s", errEntity, model, e.typ)
	}
	values := make(isolation.Values)
	for i := range e.typ.NumField() {
		f := e.typ.Field(i)
		if !f.IsExported() || f.Anonymous || f.Name == "Edges" || v.Elem().Field(i).IsZero() {
			continue
		}
		at := slices.IndexFunc(e.columns, func(column string) bool { return e.fieldOf(column) == i })
		if at < 0 {
			return nil, fmt.Errorf("%w %s: the column of %s is not known", errEntity, e.table.Entity, f.Name)
		}
		text, err := textOf(v.Elem().Field(i))
		if err != nil {
			return nil, fmt.Errorf("%w %s: %s: %w", errEntity, e.table.Entity, f.Name, err)
		}
		values[e.columns[at]] = text
	}
	return values, nil
}

// keyOf is what a row is recognised by: its table and primary key. v is a pointer to the entity.
func (e *entity) keyOf(v reflect.Value) string {
	parts := make([]string, 0, 1+len(e.key))
	parts = append(parts, e.table.Name)
	for _, i := range e.key {
		text, _ := textOf(v.Elem().Field(i)) // keys have texts
		parts = append(parts, text)
	}
	return strings.Join(parts, "/")
}

// keysOf are the keys of a slice of rows.
func (e *entity) keysOf(rows reflect.Value) []string {
	if !rows.IsValid() {
		return nil
	}
	keys := make([]string, rows.Len())
	for i := range keys {
		keys[i] = e.keyOf(rows.Index(i))
	}
	return keys
}

// textOf is a value as SQL reads it.
func textOf(v reflect.Value) (string, error) {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	value := v.Interface()
	if valuer, ok := value.(driver.Valuer); ok {
		stored, err := valuer.Value()
		if err != nil || stored == nil {
			return "", err
		}
		value = stored
	}
	switch value := value.(type) {
	case time.Time:
		return value.Format(time.RFC3339Nano), nil
	case json.RawMessage:
		return string(value), nil
	case []byte:
		return fmt.Sprintf(`\x%x`, value), nil
	}
	switch reflect.ValueOf(value).Kind() { //nolint:exhaustive // the others have a text
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		text, err := json.Marshal(value)
		return string(text), err
	}
	return fmt.Sprint(value), nil
}

// valueFrom is the inverse of textOf: a value of a type.
func valueFrom(text string, t reflect.Type) (reflect.Value, error) {
	if t.Kind() == reflect.Pointer {
		v, err := valueFrom(text, t.Elem())
		if err != nil {
			return v, err
		}
		p := reflect.New(t.Elem())
		p.Elem().Set(v)
		return p, nil
	}
	p := reflect.New(t)
	return p.Elem(), parse(text, p)
}

// parse reads a text into what p points to.
func parse(text string, p reflect.Value) error {
	switch dest := p.Interface().(type) {
	case *time.Time:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05Z07", time.DateTime, time.DateOnly} {
			if at, err := time.Parse(layout, text); err == nil {
				*dest = at
				return nil
			}
		}
		return fmt.Errorf("%q is no time", text)
	case *[]byte:
		*dest = []byte(text)
		return nil
	case encoding.TextUnmarshaler:
		return dest.UnmarshalText([]byte(text))
	case sql.Scanner:
		return dest.Scan(text)
	}
	v := p.Elem()
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
		return nil
	case v.Kind() == reflect.Bool:
		on, err := strconv.ParseBool(text)
		v.SetBool(on)
		return err
	}
	return json.Unmarshal([]byte(text), p.Interface())
}
