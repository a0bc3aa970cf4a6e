package desk

import "io"

// NewProgress is newProgress, for the tests; with terminal it draws as on one.
func NewProgress(out io.Writer, total int, terminal bool) interface {
	Draw(ended int)
	End()
} {
	p := newProgress(out, total)
	p.terminal = terminal
	return exported{p}
}

type exported struct{ *progress }

func (e exported) Draw(ended int) { e.draw(ended) }
func (e exported) End()           { e.end() }
