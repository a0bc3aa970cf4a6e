package mutants

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// site is a statement that refuses, and the expression in it that is the error.
type site struct {
	expr  ast.Expr
	label string
	// recorded says that the error goes to AddError, which the statement may be left out of.
	recorded bool
	// typed says that it is a value of a struct type of its own.
	typed bool
	// branch is the if or case that refuses, where the error itself comes from elsewhere.
	branch ast.Node
}

var (
	// sentinels are errors by the rule for their names, exported or not.
	sentinels = regexp.MustCompile(`^[eE]rr[A-Z]`)
	// makers are functions that make an error of their arguments, such as commandError and refused.
	makers = regexp.MustCompile(`^(refused|[a-z]\w*Error)$`)
	// predicates ask about an error: isContextError.
	predicates = regexp.MustCompile(`^(is|as|has)[A-Z]`)
	// errorTypes are struct types of errors, such as StatementError.
	errorTypes = regexp.MustCompile(`Error$`)
)

func makesError(function string) bool {
	return makers.MatchString(function) && !predicates.MatchString(function)
}

// theirs are the packages whose errors are passed on or asked for, and refuse no statement: others' libraries, and what
// stratumtest is told of a path that could not be tried.
func theirs() []string {
	return []string{"driver", "gorm", "io", "net", "sql", "pgconn", "pgx", "os", "context", "isolation"}
}

// siteOf returns what a statement refuses with, or nil: a return of an error of ours, a variable that is set to one, or
// an error that is recorded.
func siteOf(statement ast.Stmt) *site {
	switch statement := statement.(type) {
	case *ast.ReturnStmt:
		return firstRefusal(statement.Results)
	case *ast.AssignStmt:
		if s := recorded(statement.Rhs); s != nil {
			return s
		}
		// One of a type of its own is filled in and returned later.
		if s := firstRefusal(statement.Rhs); s != nil && !s.typed {
			return s
		}
	case *ast.ExprStmt:
		return recorded([]ast.Expr{statement.X})
	}
	return nil
}

// recorded returns the error that is given to AddError: any at all, since it is refused there and nowhere else.
func recorded(list []ast.Expr) *site {
	for _, expr := range list {
		call, ok := expr.(*ast.CallExpr)
		if !ok || nameOf(call.Fun) != "AddError" || len(call.Args) != 1 {
			continue
		}
		s := &site{expr: call, label: "AddError", recorded: true}
		if inner := firstRefusal(call.Args); inner != nil {
			s.label = inner.label
		}
		return s
	}
	return nil
}

func firstRefusal(list []ast.Expr) *site {
	for _, expr := range list {
		if s := refusalIn(expr); s != nil {
			return s
		}
	}
	return nil
}

// refusalIn returns the part of an expression that is an error of ours.
func refusalIn(expr ast.Expr) *site {
	switch expr := expr.(type) {
	case *ast.Ident, *ast.SelectorExpr:
		if name := nameOf(expr); sentinels.MatchString(name) && !isTheirs(expr) {
			return &site{expr: expr, label: name}
		}
	case *ast.UnaryExpr:
		if s := refusalIn(expr.X); expr.Op == token.AND && s != nil {
			return &site{expr: expr, label: s.label, typed: s.typed}
		}
	case *ast.CompositeLit:
		// One that holds another error only gives it a form.
		if name := nameOf(expr.Type); errorTypes.MatchString(name) && !passesOn(expr.Elts) {
			return &site{expr: expr, label: name, typed: true}
		}
	case *ast.CallExpr:
		return refusingCall(expr)
	}
	return nil
}

// refusingCall returns a call that makes an error, or one of its arguments that is one.
func refusingCall(call *ast.CallExpr) *site {
	name := nameOf(call.Fun)
	switch {
	case name == "Errorf":
		if inner := firstRefusal(call.Args[1:]); inner != nil {
			return &site{expr: call, label: inner.label}
		}
		if wraps(call.Args[0]) {
			return nil
		}
		return &site{expr: call, label: name}
	case name == "New" && packageOf(call.Fun) == "errors":
		return &site{expr: call, label: "New"}
	case makesError(name):
		return &site{expr: call, label: name}
	case name == "Or", name == "Join", name == "append":
		return firstRefusal(call.Args)
	}
	return nil
}

// wraps reports whether a format, which may be several texts, has a place for another error.
func wraps(format ast.Expr) bool {
	found := false
	ast.Inspect(format, func(n ast.Node) bool {
		text, ok := n.(*ast.BasicLit)
		found = found || ok && strings.Contains(text.Value, "%w")
		return true
	})
	return found
}

func isTheirs(expr ast.Expr) bool { return slices.Contains(theirs(), packageOf(expr)) }

// passesOn reports whether one of the elements is a variable named err.
func passesOn(elements []ast.Expr) bool {
	return slices.ContainsFunc(elements, func(e ast.Expr) bool {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			e = pair.Value
		}
		return nameOf(e) == "err"
	})
}

// nameOf is the last part of a name, "" for what is none.
func nameOf(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.Ident:
		return expr.Name
	case *ast.SelectorExpr:
		return expr.Sel.Name
	}
	return ""
}

// packageOf is the name in front of the dot.
func packageOf(expr ast.Expr) string {
	if selector, ok := expr.(*ast.SelectorExpr); ok {
		return nameOf(selector.X)
	}
	return ""
}
