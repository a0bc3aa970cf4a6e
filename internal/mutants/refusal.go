package mutants

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Refusal is a place in the source where something is refused.
type Refusal struct {
	// File is the path from the root of the module, with slashes.
	File string
	// Func is the function around it, with its receiver's type: "conn.check".
	Func string
	// Label is the name of the sentinel, or of the function that makes the error.
	Label string
	// Number counts those of the same file, function and label, from 1.
	Number int
	// Line is where the error is, from 1.
	Line int
	// Condition is the source of the if or case that leads there. Empty where there is none.
	Condition string

	branch token.Pos // what tells the mutants of a file apart
	edits  []edit
}

// edit replaces a part of a file.
type edit struct {
	from, to int // offsets in bytes
	text     string
}

// Key names the refusal in the list. It does not change while only other functions do.
func (r Refusal) Key() string {
	key := r.File + ":" + r.Func + ":" + r.Label
	if r.Number > 1 {
		key += fmt.Sprintf("#%d", r.Number)
	}
	return key
}

// Remove returns the source without the refusal.
func (r Refusal) Remove(source []byte) []byte {
	var b bytes.Buffer
	at := 0
	for _, e := range r.edits {
		b.Write(source[at:e.from])
		b.WriteString(e.text)
		at = e.to
	}
	b.Write(source[at:])
	return b.Bytes()
}

// Scan finds the refusals in the folders, which are relative to root, without tests and sub-folders. They are in the
// order of the source.
func Scan(root string, folders ...string) ([]Refusal, error) {
	return scanNamed(root, "*.go", folders...)
}

// scanNamed is Scan of the files whose names match a pattern. Those of one name refuse for each other alone.
func scanNamed(root, pattern string, folders ...string) ([]Refusal, error) {
	var files []sourceFile
	for _, folder := range folders {
		paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), pattern))
		if err != nil {
			return nil, fmt.Errorf("mutants: %w", err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			source, err := os.ReadFile(path) //nolint:gosec // a file of the tree that is looked at
			if err != nil {
				return nil, fmt.Errorf("mutants: %w", err)
			}
			files = append(files, sourceFile{folder + "/" + filepath.Base(path), source})
		}
	}
	return scanFiles(files)
}

// sourceFile is a file to look at.
type sourceFile struct {
	name   string
	source []byte
}

// scanFiles looks twice: which functions refuse something themselves, and then also who calls one of them and returns
// its error.
func scanFiles(files []sourceFile) ([]Refusal, error) {
	refusing := map[string]bool{}
	for _, f := range files {
		found, err := scanFile(f, nil)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if name := baseName(r.Func); canDelegateTo(name) {
				refusing[name] = true
			}
		}
	}
	var all []Refusal
	for _, f := range files {
		found, err := scanFile(f, refusing)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// ScanSource finds the refusals in one file.
func ScanSource(name string, source []byte) ([]Refusal, error) {
	return scanFiles([]sourceFile{{name, source}})
}

func scanFile(f sourceFile, refusing map[string]bool) ([]Refusal, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, f.name, f.source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("mutants: %w", err)
	}
	s := &scanner{sourceFile: f, file: files.File(file.Pos()), refusing: refusing}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		// What makes an error is not what refuses: those who call it are.
		if ok && f.Body != nil && !makesError(f.Name.Name) {
			s.function = functionName(f)
			s.results = f.Type.Results.NumFields()
			s.scan(f.Body)
		}
	}
	return s.numbered(), nil
}

// scanner collects the refusals of a file.
type scanner struct {
	sourceFile

	file     *token.File
	refusing map[string]bool // functions that refuse, by their names
	function string          // the one at hand
	results  int             // how many it returns
	found    []Refusal
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if generic, ok := receiver.(*ast.IndexExpr); ok {
		receiver = generic.X
	}
	if name, ok := receiver.(*ast.Ident); ok {
		return name.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// scan looks at each statement of a function, with those around it.
func (s *scanner) scan(body *ast.BlockStmt) {
	var around []ast.Node
	ast.Inspect(body, func(n ast.Node) bool {
		if n == nil {
			around = around[:len(around)-1]
			return true
		}
		around = append(around, n)
		if statement, ok := n.(ast.Stmt); ok {
			s.statement(statement, around)
		}
		return true
	})
}

// statement adds a refusal for a statement that refuses, unless its branch has one already.
func (s *scanner) statement(statement ast.Stmt, around []ast.Node) {
	found := siteOf(statement)
	if found == nil {
		found = s.delegation(statement)
	}
	if found == nil {
		return
	}
	r := Refusal{File: s.name, Func: s.function, Label: found.label, Line: s.file.Line(found.expr.Pos())}
	if found.branch != nil {
		s.removeBranch(&r, found.branch)
	} else {
		s.remove(&r, found, around)
	}
	s.add(r)
}

func (s *scanner) add(r Refusal) {
	if !slices.ContainsFunc(s.found, func(other Refusal) bool { return other.branch == r.branch }) {
		s.found = append(s.found, r)
	}
}

// numbered tells refusals of the same name apart.
func (s *scanner) numbered() []Refusal {
	slices.SortFunc(s.found, func(a, b Refusal) int { return int(a.branch - b.branch) })
	seen := map[string]int{}
	for i := range s.found {
		r := &s.found[i]
		name := r.Func + ":" + r.Label
		seen[name]++
		r.Number = seen[name]
	}
	return s.found
}

func (s *scanner) text(n ast.Node) string {
	return string(s.source[s.file.Offset(n.Pos()):s.file.Offset(n.End())])
}
