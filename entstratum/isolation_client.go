package entstratum

import (
	"reflect"

	"entgo.io/ent/dialect/sql"
)

// What ent generates is typed by entity, so that its clients have no interface in common. The functions of this file
// call it by the names that ent's templates give.

// own is the client of the entity.
func (s *isolated) own() reflect.Value { return s.on(s.client, s.entity) }

// on is the client of an entity in the generated client or transaction c.
func (*isolated) on(c reflect.Value, e *entity) reflect.Value {
	return c.Elem().FieldByName(e.table.Entity)
}

// has reports whether something generated has a method, which is up to the schema and ent's features.
func has(v reflect.Value, method string) bool { return v.MethodByName(method).IsValid() }

// invoke calls a method with arguments that are values, or reflect.Values of them. A function becomes one of the
// parameter's type.
func invoke(v reflect.Value, method string, args []any) []reflect.Value {
	m := v.MethodByName(method)
	in := make([]reflect.Value, len(args))
	for i, arg := range args {
		value, ok := arg.(reflect.Value)
		if !ok {
			value = reflect.ValueOf(arg)
		}
		if t := parameter(m.Type(), i); !value.Type().AssignableTo(t) && value.CanConvert(t) {
			value = value.Convert(t)
		}
		in[i] = value
	}
	return m.Call(in)
}

// parameter is the type of a function's parameter, or of one of its variadic ones.
func parameter(function reflect.Type, i int) reflect.Type {
	if last := function.NumIn() - 1; function.IsVariadic() && i >= last {
		return function.In(last).Elem()
	}
	return function.In(i)
}

// call calls a method with one result, such as a step of a builder.
func call(v reflect.Value, method string, args ...any) reflect.Value {
	return invoke(v, method, args)[0]
}

// run calls a method whose last result is an error. The value is the invalid one where that is all.
func run(v reflect.Value, method string, args ...any) (reflect.Value, error) {
	out := invoke(v, method, args)
	err, _ := out[len(out)-1].Interface().(error)
	if len(out) == 1 {
		return reflect.Value{}, err
	}
	return out[0], err
}

// exec calls a method of whose results only the error tells something.
func exec(v reflect.Value, method string, args ...any) error {
	_, err := run(v, method, args...)
	return err
}

// where adds a condition to a builder.
func where(v reflect.Value, condition func(*sql.Selector)) reflect.Value {
	return call(v, "Where", condition)
}

// isKey is the condition on the primary key.
func isKey(columns []string, key []any) func(*sql.Selector) {
	return func(s *sql.Selector) { s.Where(keyPredicate(s, columns, key)) }
}

func keyPredicate(s *sql.Selector, columns []string, key []any) *sql.Predicate {
	conditions := make([]*sql.Predicate, len(columns))
	for i, name := range columns {
		conditions[i] = sql.EQ(s.C(name), key[i])
	}
	return sql.And(conditions...)
}
