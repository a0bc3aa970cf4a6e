package gormstratum

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/fields"
)

// A column that is encrypted in place has two forms for a while: rows that are sealed, and, in a column beside it,
// those that are not yet. Where the latter is not NULL it is the value. So that no reader has to know, the plugin reads
// both: the statement asks for the plain value, as JSON with a byte in front that no sealed value begins with, where it
// is there, and it is opened by taking that byte away.

// plainSuffix is what the name of the plain column ends in, where the tag gives none.
const plainSuffix = "_plain"

// plainMark is the byte in front of a value in the clear. It is the number of no algorithm.
const plainMark = 0

// plainColumn reads the word plain of a tag, or plain=column.
func plainColumn(s *schema.Schema, f *schema.Field, name string) (string, error) {
	if name == "" {
		name = f.DBName + plainSuffix
	}
	if s.FieldsByDBName[name] != nil {
		return "", errors.New("the model has a field of that column; the values that are not sealed yet are read by " +
			"the plugin alone")
	}
	return name, nil
}

// quoteName writes a name as PostgreSQL reads it.
func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// inClear reports whether a column has the values of an encrypted one that are not sealed yet, whatever bytes they are.
func (n *names) inClear(column string) bool {
	for _, t := range n.called("") {
		for _, e := range t.encrypted {
			if e.plain == column {
				return true
			}
		}
	}
	return false
}

// bothForms is the expression for a column's value in whichever form it has.
func (e *encryptedField) bothForms(qualifier string) string {
	plain := qualifier + quoteName(e.plain)
	return `(CASE WHEN ` + plain + ` IS NULL THEN ` + qualifier + quoteName(e.field.DBName) +
		` ELSE '\x00'::bytea || pg_catalog.convert_to(pg_catalog.json_build_array(pg_catalog.pg_typeof(` + plain +
		`)::text, ` + plain + `)::text, 'UTF8') END)`
}

// fromJSON returns a value in the clear, with its type as a statement has asked for it, as the model's field has it.
func (e *encryptedField) fromJSON(ctx context.Context, text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var pair []any
	if err := decoder.Decode(&pair); err != nil || len(pair) != 2 { // it quotes the value
		return nil, e.misfit("JSON")
	}
	switch typ, value := pair[0], pair[1]; v := value.(type) {
	case string:
		if typ != byteaType {
			return e.plainValue(ctx, value)
		}
		decoded, err := hex.DecodeString(strings.TrimPrefix(v, `\x`))
		if err != nil {
			return nil, e.misfit(byteaType)
		}
		return e.plainValue(ctx, decoded)
	case json.Number:
		return e.plainValue(ctx, v.String())
	default:
		return e.plainValue(ctx, v)
	}
}

// encodePlain returns a value in the clear, as the model's field has it, as the bytes that would be sealed.
func (e *encryptedField) encodePlain(value any, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	encoded, null, err := fieldcrypt.Encode(nil, value)
	if err == nil && null {
		err = e.misfit("nothing")
	}
	return encoded, err
}

// plainValue returns a value in the clear, as JSON or the driver has it, as the model's field has it.
func (e *encryptedField) plainValue(ctx context.Context, value any) (any, error) {
	row := reflect.New(e.table.ModelType).Elem()
	var err error
	switch kind := e.field.IndirectFieldType; {
	case kind == reflect.TypeFor[time.Time]():
		if value, err = plainTime(value); err == nil {
			err = e.field.Set(ctx, row, value)
		}
	case e.isComposite():
		err = setJSON(e.field.ReflectValueOf(ctx, row), value)
	default:
		if at, ok := value.(time.Time); ok {
			value = at.UTC().Format(time.RFC3339Nano)
		}
		err = e.field.Set(ctx, row, value)
	}
	if err != nil { // it quotes the value
		return nil, e.misfit(fmt.Sprintf("%T", value))
	}
	return e.field.ReflectValueOf(ctx, row).Interface(), nil
}

func (e *encryptedField) misfit(stored string) error {
	return &fieldcrypt.TypeError{
		Stored: stored, Go: e.field.FieldType.String(), Reason: "in the clear, in the column " + quoteName(e.plain),
	}
}

// isComposite reports whether a field is what only JSON holds: it was a serializer's, or is in a column of JSON.
func (e *encryptedField) isComposite() bool {
	if _, ok := reflect.New(e.field.IndirectFieldType).Interface().(interface{ Scan(any) error }); ok {
		return false
	}
	switch e.field.IndirectFieldType.Kind() { //nolint:exhaustive // the others are the default
	case reflect.Struct, reflect.Map:
		return true
	case reflect.Slice, reflect.Array:
		return e.field.IndirectFieldType.Elem().Kind() != reflect.Uint8
	default:
		return false
	}
}

func jsonOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// setJSON sets a field to what JSON has, which may be in a column of text.
func setJSON(field reflect.Value, value any) error {
	text := jsonOf(value)
	switch v := value.(type) {
	case string:
		text = v
	case []byte:
		text = string(v)
	}
	return json.Unmarshal([]byte(text), field.Addr().Interface())
}

// plainTime reads the forms in which PostgreSQL has times in JSON. What has no offset is UTC, as drivers have it.
func plainTime(value any) (any, error) {
	switch v := value.(type) {
	case time.Time:
		return v.UTC(), nil
	case string:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateOnly} {
			if t, err := time.Parse(layout, v); err == nil {
				return t.UTC(), nil
			}
		}
	}
	return nil, errors.New("no time")
}

// clearPlain is the assignment that goes with each one to an encrypted column.
func (e *encryptedField) clearPlain(table string) clause.Assignment {
	return clause.Assignment{Column: clause.Column{Table: table, Name: e.plain}}
}

// edit is a piece of a statement that is sent in another form.
type edit struct {
	start, stop int
	text        string
}

// Rewritten reads both forms of columns that are encrypted in place.
func (w *watcher) Rewritten(sql string) string {
	if len(w.edits) == 0 {
		return sql
	}
	var b strings.Builder
	at := 0
	for _, e := range w.edits {
		b.WriteString(sql[at:e.start])
		b.WriteString(e.text)
		at = e.stop
	}
	b.WriteString(sql[at:])
	return b.String()
}

// readsBoth notes that a statement reads a column of which both forms are there.
func (s *statementReader) readsBoth(r fields.Reference, found []*encryptedField) error {
	f, after := s.top(), fields.TextAt(s.words, r.Last+1)
	if after != "IS" && (f.columns || f.clause == "SET") {
		return nil // it is written
	}
	e, err := s.directly(r, found)
	if e == nil || err != nil || e.plain == "" {
		return err
	}
	start := s.words[r.First].Start
	text := e.bothForms(s.sql[start:s.words[r.Last].Start])
	if (f.clause == "SELECT" || f.clause == "RETURNING") && after != "AS" && after != "IS" && fields.EndsItem(after) {
		text += " AS " + quoteName(r.Name)
	}
	s.watcher.edits = append(s.watcher.edits, edit{start, s.words[r.Last].Stop, text})
	return nil
}

// directly returns which column of a table a name means, or none where it is one of a sub-query that has read it
// already.
func (s *statementReader) directly(r fields.Reference, found []*encryptedField) (*encryptedField, error) {
	if !slices.ContainsFunc(found, func(e *encryptedField) bool { return e.plain != "" }) {
		return nil, nil //nolint:nilnil // none
	}
	_, known := s.watcher.names.tables[r.Qualifier]
	here, derived := found, r.Qualifier != "" && !known
	if r.Qualifier == "" {
		here, derived = s.tablesAround(found)
	}
	switch {
	case derived:
		return nil, nil //nolint:nilnil // none
	case len(here) == 1:
		return here[0], nil
	}
	return nil, fmt.Errorf("%w: column %s is being encrypted in place, and it cannot be told whether %q is the "+
		"table's (qualify it with the table's name)", ErrEncrypted, found[0], r.Name)
}

// tablesAround returns those columns whose tables stand in the same SELECT, and whether a sub-query stands in the place
// of all of them.
func (s *statementReader) tablesAround(found []*encryptedField) (here []*encryptedField, derived bool) {
	for i := len(s.frames) - 1; i >= 0; i-- {
		here, derived, selects := s.tablesIn(s.frames[i].start, found)
		if len(here) > 0 || derived || selects {
			return here, derived && len(here) == 0
		}
	}
	return nil, false
}

// tablesIn looks through one pair of parentheses, from its first word.
func (s *statementReader) tablesIn(
	start int, found []*encryptedField,
) (here []*encryptedField, derived, selects bool) {
	for at, depth := start, 0; at < len(s.words) && depth >= 0; at++ {
		switch text := s.words[at].Text; {
		case text == "(":
			derived = derived || depth == 0 && precedesTable(fields.TextAt(s.words, at-1))
			depth++
		case text == ")":
			depth--
		case depth > 0 || s.words[at].Name == "":
		case text == "FROM" || text == "SELECT":
			selects = true
		default:
			t := s.watcher.names.registry.find(s.words[at].Name)
			for _, e := range found {
				if t != nil && t.schema == e.table && !slices.Contains(here, e) {
					here = append(here, e)
				}
			}
		}
	}
	return here, derived, selects
}

// precedesTable reports whether parentheses behind a word have a sub-query in the place of a table.
func precedesTable(before string) bool {
	return before == "FROM" || before == "JOIN" || before == "LATERAL"
}

// fromJob makes values of what Reencrypt reads in the clear.
func (e *encryptedField) fromJob(ctx context.Context) func(any) (any, error) {
	return func(value any) (any, error) {
		text, ok := value.([]byte)
		if !ok {
			return nil, e.misfit("no JSON")
		}
		return e.fromJSON(ctx, text)
	}
}
