package mutants_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/mutants"
)

// source is a function around a body.
func source(body string) []byte {
	return []byte("package p\n\nfunc (c *conn) f(err error) error {\n" + body + "\n\treturn nil\n}\n")
}

// Each form of a refusal, and what is left of the source without it.
func TestScanSource(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body, label, condition, want string
	}{
		"sentinel in an if": {
			"\tif a > b {\n\t\treturn ErrX\n\t}", "ErrX", "a > b", "\tif (a > b) && false {\n\t\treturn ErrX\n\t}",
		},
		"beside other results": {
			"\tif a {\n\t\treturn 1, nil, pkg.ErrX\n\t}", "ErrX", "a", "\tif (a) && false {\n\t\treturn 1, nil, pkg.ErrX\n\t}",
		},
		"unexported sentinel": {
			"\tif a {\n\t\treturn errX\n\t}", "errX", "a", "\tif (a) && false {\n\t\treturn errX\n\t}",
		},
		"wrapped sentinel": {
			"\tif a {\n\t\treturn fmt.Errorf(\"%w: %w\", ErrX, err)\n\t}", "ErrX", "a",
			"\tif (a) && false {\n\t\treturn fmt.Errorf(\"%w: %w\", ErrX, err)\n\t}",
		},
		"error without a sentinel": {
			"\tif a {\n\t\treturn fmt.Errorf(\"no %d \"+\n\"more\", b)\n\t}", "Errorf", "a",
			"\tif (a) && false {\n\t\treturn fmt.Errorf(\"no %d \"+\n\"more\", b)\n\t}",
		},
		"made by a function": {
			"\tif a {\n\t\treturn commandError(b)\n\t}", "commandError", "a",
			"\tif (a) && false {\n\t\treturn commandError(b)\n\t}",
		},
		"an error's type": {
			"\tif a {\n\t\treturn &StateError{b}\n\t}", "StateError", "a", "\tif (a) && false {\n\t\treturn &StateError{b}\n\t}",
		},
		"at the end": {"\tb()\n\treturn ErrX", "ErrX", "", "\tb()\n\treturn func(error) error { return nil }(ErrX)"},
		"joined":     {"\treturn errors.Join(b(), ErrX)", "ErrX", "", "\treturn errors.Join(b(), func(error) error { return nil }(ErrX))"},
		"case of conditions": {
			"\tswitch {\n\tcase a, b:\n\t\treturn ErrX\n\t}", "ErrX", "a",
			"\tswitch {\n\tcase (a) && false, (b) && false:\n\t\treturn ErrX\n\t}",
		},
		"case of a value": {
			"\tswitch a {\n\tcase 1:\n\t\treturn ErrX\n\tcase 2:\n\t}", "ErrX", "a is 1",
			"\tswitch a {\n\tcase 1: if false {\n\t\treturn ErrX}\n\tcase 2:\n\t}",
		},
		"default": {
			"\tswitch a {\n\tdefault:\n\t\treturn ErrX\n\t}", "ErrX", "", "\tswitch a {\n\tdefault:\n\t\treturn func(error) error { return nil }(ErrX)\n\t}",
		},
		"else": {
			"\tif a {\n\t\tb()\n\t} else {\n\t\treturn ErrX\n\t}", "ErrX", "",
			"\tif a {\n\t\tb()\n\t} else {\n\t\treturn func(error) error { return nil }(ErrX)\n\t}",
		},
		"case of a type": {
			"\tswitch b := a.(type) {\n\tcase int:\n\t\treturn ErrX\n\t}", "ErrX", "",
			"\tswitch b := a.(type) {\n\tcase int:\n\t\treturn func(error) error { return nil }(ErrX)\n\t}",
		},
		"set": {"\tif a {\n\t\terr = ErrX\n\t}", "ErrX", "a", "\tif (a) && false {\n\t\terr = ErrX\n\t}"},
		"collected": {
			"\tif a {\n\t\terrs = append(errs, ErrX)\n\t}", "ErrX", "a", "\tif (a) && false {\n\t\terrs = append(errs, ErrX)\n\t}",
		},
		"recorded": {
			"\tif err != nil {\n\t\t_ = db.AddError(err)\n\t}", "AddError", "err != nil",
			"\tif (err != nil) && false {\n\t\t_ = db.AddError(err)\n\t}",
		},
		"recorded at the end": {
			"\t_ = db.AddError(ErrX)", "ErrX", "", "\t_ = func(error) error { return nil }(ErrX)",
		},
		"in a function of its own": {
			"\tg(func() error { return ErrX })", "ErrX", "", "\tg(func() error { return func(error) error { return nil }(ErrX) })",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := mutants.ScanSource("a/b.go", source(test.body))
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.Equal(t, "a/b.go:conn.f:"+test.label, found[0].Key())
			require.Equal(t, test.condition, found[0].Condition)
			require.Equal(t, string(source(test.want)), string(found[0].Remove(source(test.body))))
		})
	}
}

// What passes an error on, or asks for one, refuses nothing itself.
func TestScanSourcePassesOver(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"\tif err != nil {\n\t\treturn err\n\t}",
		"\tif err != nil {\n\t\treturn fmt.Errorf(\"a: %w\", err)\n\t}",
		"\tif errors.Is(err, ErrX) {\n\t\treturn nil\n\t}",
		"\tif isContextError(err) {\n\t\treturn b\n\t}",
		"\tif a {\n\t\treturn driver.ErrBadConn\n\t}",
		"\tif a {\n\t\treturn io.EOF\n\t}",
		"\tif a {\n\t\treturn &quietError{cause: err}\n\t}",
		"\tif b := g(); b != nil {\n\t\treturn b\n\t}",
		"\te := &StateError{}\n\treturn e",
		"\terr := g()\n\tif err != nil {\n\t\treturn err\n\t}",
	} {
		found, err := mutants.ScanSource("a.go", source(body))
		require.NoError(t, err)
		require.Empty(t, found, body)
	}
}

const gates = `package p

func check(a int) error {
	if a > 0 {
		return ErrX
	}
	return ErrX
}

func tail() error { return check(1) }

func initialised() error {
	if err := check(1); err != nil {
		return err
	}
	return nil
}

func beforehand() error {
	a, err := check(1)
	if err != nil {
		return err
	}
	return nil
}

func chosen() error {
	err := check(1)
	switch {
	case err != nil:
		return err
	}
	return nil
}

func unlooked() error {
	err := other(1)
	if err != nil {
		return err
	}
	return nil
}
`

// Who asks a function that refuses must do as it says.
func TestScanSourceFollowsGates(t *testing.T) {
	t.Parallel()
	found, err := mutants.ScanSource("p.go", []byte(gates))
	require.NoError(t, err)
	keys := make([]string, 0, len(found))
	for _, r := range found {
		keys = append(keys, strings.TrimPrefix(r.Key(), "p.go:"))
	}
	require.Equal(t, []string{
		"check:ErrX", "check:ErrX#2", "tail:check()", "initialised:check()", "beforehand:check()", "chosen:check()",
	}, keys)
	for i, want := range map[int]string{
		2: "func tail() error { return func(error) error { return nil }(check(1)) }", 3: "if err := check(1); (err != nil) && false {",
		4: "if (err != nil) && false {", 5: "case (err != nil) && false:",
	} {
		require.Contains(t, string(found[i].Remove([]byte(gates))), want)
	}
}

func TestScanSourceOfNoGo(t *testing.T) {
	t.Parallel()
	_, err := mutants.ScanSource("a.go", []byte("package"))
	require.ErrorContains(t, err, "a.go")
	_, err = mutants.Scan(t.TempDir(), "[")
	require.Error(t, err)
}

// The receiver and the number tell refusals of one name apart.
func TestKey(t *testing.T) {
	t.Parallel()
	found, err := mutants.ScanSource("a.go", []byte("package p\nfunc (c box[T]) f() error {\nif a { return ErrX }\n"+
		"if b { return ErrX }\nreturn nil }\nfunc g() error { return ErrX }\n"))
	require.NoError(t, err)
	require.Len(t, found, 3)
	require.Equal(t, "a.go:box.f:ErrX", found[0].Key())
	require.Equal(t, "a.go:box.f:ErrX#2", found[1].Key())
	require.Equal(t, "a.go:g:ErrX", found[2].Key())
	require.Equal(t, 4, found[1].Line)
}
