package mutants

import (
	"go/ast"
	"slices"
)

// remove finds the nearest branch around a refusal and plans the edits under which it is never taken. Without a branch
// the error is nil, or is not recorded.
func (s *scanner) remove(r *Refusal, found *site, around []ast.Node) {
	for i, n := range slices.Backward(around[:len(around)-1]) {
		inner := around[i+1]
		switch n := n.(type) {
		case *ast.IfStmt:
			if inner == ast.Node(n.Body) {
				s.never(r, n, n.Cond)
				return
			}
			if inner == ast.Node(n.Else) {
				s.nilError(r, found)
				return
			}
		case *ast.CaseClause:
			s.removeCase(r, found, n, around[i-2])
			return
		case *ast.FuncLit, *ast.CommClause:
			s.nilError(r, found)
			return
		}
	}
	s.nilError(r, found)
}

// removeBranch makes an if or a case that looks at an error never be taken.
func (s *scanner) removeBranch(r *Refusal, branch ast.Node) {
	switch branch := branch.(type) {
	case *ast.IfStmt:
		s.never(r, branch, branch.Cond)
	case *ast.CaseClause:
		s.never(r, branch, branch.List...)
	}
}

// removeCase makes a case of a switch do nothing.
func (s *scanner) removeCase(r *Refusal, found *site, clause *ast.CaseClause, around ast.Node) {
	choice, isSwitch := around.(*ast.SwitchStmt)
	switch {
	case len(clause.List) == 0, !isSwitch: // default; and of a type's switch the variable must stay in use
		s.nilError(r, found)
	case choice.Tag == nil:
		s.never(r, clause, clause.List...)
	default:
		r.Condition = s.text(choice.Tag) + " is " + s.text(clause.List[0])
		r.branch = clause.Pos()
		from, to := s.file.Offset(clause.Colon)+1, s.file.Offset(clause.End())
		r.edits = []edit{{from, from, " if false {"}, {to, to, "}"}} // what it names stays in use
	}
}

// never makes conditions false. What they look at stays in use.
func (s *scanner) never(r *Refusal, branch ast.Node, conditions ...ast.Expr) {
	r.branch = branch.Pos()
	r.Condition = s.text(conditions[0])
	for _, c := range conditions {
		from, to := s.file.Offset(c.Pos()), s.file.Offset(c.End())
		r.edits = append(r.edits, edit{from, from, "("}, edit{to, to, ") && false"})
	}
}

// nilError leaves the statement and takes the error out of it. What the error is made of stays in use.
func (s *scanner) nilError(r *Refusal, found *site) {
	from, to := s.file.Offset(found.expr.Pos()), s.file.Offset(found.expr.End())
	r.branch = found.expr.Pos()
	lost := s.text(found.expr)
	if call, ok := found.expr.(*ast.CallExpr); ok && found.recorded {
		lost = s.text(call.Args[0])
	}
	r.edits = []edit{{from, to, "func(error) error { return nil }(" + lost + ")"}}
}
