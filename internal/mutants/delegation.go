package mutants

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// gates are functions whose one purpose is to refuse. Who calls one and goes on without its answer lets everything
// through; elsewhere it is the refusal itself that is removed.
var gates = regexp.MustCompile(`^([cC]heck|admit|settle|hold)`)

func canDelegateTo(name string) bool { return gates.MatchString(name) }

// baseName is a function's name without its receiver.
func baseName(function string) string { return function[strings.LastIndexByte(function, '.')+1:] }

// delegation returns what a statement does with the error of a function that refuses: it returns it at once, or has it
// looked at by an if or a switch, of which the branch is what refuses here.
func (s *scanner) delegation(statement ast.Stmt) *site {
	switch statement := statement.(type) {
	case *ast.ReturnStmt:
		if n := len(statement.Results); n > 0 && n == s.results {
			return s.refusingCallIn(statement.Results[n-1])
		}
	case *ast.BlockStmt:
		return s.checked(statement.List)
	case *ast.CaseClause:
		return s.checked(statement.Body)
	case *ast.IfStmt:
		if init, ok := statement.Init.(*ast.AssignStmt); ok && isErrorCheck(statement) {
			return s.fromAssignment(init, statement)
		}
	}
	return nil
}

// checked finds, among statements that follow each other, the call of a function that refuses and the if or switch
// behind it.
func (s *scanner) checked(list []ast.Stmt) *site {
	for i := 1; i < len(list); i++ {
		assignment, ok := list[i-1].(*ast.AssignStmt)
		if !ok {
			continue
		}
		switch check := list[i].(type) {
		case *ast.IfStmt:
			if check.Init == nil && isErrorCheck(check) {
				s.addDelegation(s.fromAssignment(assignment, check))
			}
		case *ast.SwitchStmt:
			if clause := errorCase(check); clause != nil {
				s.addDelegation(s.fromAssignment(assignment, clause))
			}
		}
	}
	return nil
}

// addDelegation adds a refusal whose branch is known already.
func (s *scanner) addDelegation(found *site) {
	if found == nil {
		return
	}
	r := Refusal{File: s.name, Func: s.function, Label: found.label, Line: s.file.Line(found.branch.Pos())}
	s.removeBranch(&r, found.branch)
	s.add(r)
}

func (s *scanner) fromAssignment(assignment *ast.AssignStmt, branch ast.Node) *site {
	if len(assignment.Rhs) != 1 {
		return nil
	}
	found := s.refusingCallIn(assignment.Rhs[0])
	if found != nil {
		found.branch = branch
	}
	return found
}

func (s *scanner) refusingCallIn(expr ast.Expr) *site {
	call, ok := expr.(*ast.CallExpr)
	if !ok || !s.refusing[nameOf(call.Fun)] || isTheirs(call.Fun) {
		return nil
	}
	return &site{expr: call, label: nameOf(call.Fun) + "()"}
}

// isErrorCheck reports whether an if is taken for an error, and nothing but an error.
func isErrorCheck(statement *ast.IfStmt) bool { return isNotNil(statement.Cond) }

func isNotNil(expr ast.Expr) bool {
	comparison, ok := expr.(*ast.BinaryExpr)
	return ok && comparison.Op == token.NEQ && nameOf(comparison.X) == "err" && nameOf(comparison.Y) == "nil"
}

// errorCase returns the case of a switch that is taken for an error, or nil.
func errorCase(statement *ast.SwitchStmt) ast.Node {
	if statement.Tag != nil {
		return nil
	}
	i := slices.IndexFunc(statement.Body.List, func(n ast.Stmt) bool {
		clause, ok := n.(*ast.CaseClause)
		return ok && len(clause.List) == 1 && isNotNil(clause.List[0])
	})
	if i < 0 {
		return nil
	}
	return statement.Body.List[i]
}
