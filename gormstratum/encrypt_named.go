package gormstratum

import (
	"database/sql"
	"reflect"
	"strings"

	"gorm.io/gorm/clause"
)

// named rewrites a condition with named parameters, such as email = @email, as the one with ? in their places.
func (l *looker) named(e clause.NamedExpr) clause.Expression {
	marked, ok := withMarks(e)
	if !ok {
		return e
	}
	if written, ok := l.text(marked).(clause.Expr); ok && written.SQL != marked.SQL {
		return written
	}
	return e
}

// withMarks reads the text as GORM does, which takes no notice of quotes. It reports false where there are question
// marks as well.
func withMarks(e clause.NamedExpr) (clause.Expr, bool) {
	if strings.Contains(e.SQL, "?") {
		return clause.Expr{}, false
	}
	values, written := namedValues(e.Vars), clause.Expr{}
	var b strings.Builder
	for text := e.SQL; text != ""; {
		at := strings.IndexByte(text, '@')
		if at < 0 {
			b.WriteString(text)
			break
		}
		b.WriteString(text[:at])
		name, rest := text[at+1:], ""
		if end := strings.IndexAny(name, " ,)\"'`\r\n;"); end >= 0 {
			name, rest = name[:end], name[end:]
		}
		if value, ok := values[name]; ok {
			b.WriteByte('?')
			written.Vars = append(written.Vars, value)
		} else {
			b.WriteString("@" + name)
		}
		text = rest
	}
	written.SQL = b.String()
	return written, true
}

// namedValues are the parameters by their names, from where GORM takes them.
func namedValues(vars []any) map[string]any {
	values := make(map[string]any, len(vars))
	for _, v := range vars {
		switch v := v.(type) {
		case sql.NamedArg:
			values[v.Name] = v.Value
		case map[string]any:
			for name, value := range v {
				values[name] = value
			}
		default:
			addFields(values, reflect.ValueOf(v))
		}
	}
	return values
}

func addFields(values map[string]any, v reflect.Value) {
	v = reflect.Indirect(v)
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		values[f.Name] = v.Field(i).Interface()
		if f.Anonymous {
			addFields(values, v.Field(i))
		}
	}
}
