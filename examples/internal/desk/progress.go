package desk

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress draws how far a migration is: on a terminal a bar that moves, elsewhere a line for each quarter, so that the
// log of a CI stays short.
type progress struct {
	out      io.Writer
	total    int
	terminal bool
	started  time.Time
	quarter  int // the last that was printed
}

const barWidth = 40

func newProgress(out io.Writer, total int) *progress {
	return &progress{out: out, total: total, terminal: isTerminal(out), started: time.Now()}
}

// isTerminal reports whether what is written to out is seen at once.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// draw is told how many have ended.
func (p *progress) draw(ended int) {
	ended = min(ended, p.total)
	if p.terminal {
		full := barWidth * ended / max(p.total, 1)
		_, _ = fmt.Fprintf(p.out, "\r  [%s%s] %d of %d", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), ended,
			p.total)
		return
	}
	if quarter := 4 * ended / max(p.total, 1); quarter > p.quarter {
		p.quarter = quarter
		_, _ = fmt.Fprintf(p.out, "  %d of %d places\n", ended, p.total)
	}
}

// end leaves the bar.
func (p *progress) end() {
	if p.terminal {
		_, _ = fmt.Fprintln(p.out)
	}
}
