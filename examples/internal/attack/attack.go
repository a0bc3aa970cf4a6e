package attack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ErrLeak is returned when an attempt has succeeded, or has failed for another reason than it should.
var ErrLeak = errors.New("the boundary between tenants does not hold")

// attemptTimeout bounds one attempt.
const attemptTimeout = 20 * time.Second

// Run makes all attempts, prints what becomes of each to out, and counts at the end. Verbose prints refusals in full.
func Run(ctx context.Context, s *Scene, topics []Topic, out io.Writer, verbose bool) error {
	printf := func(format string, args ...any) {
		_, _ = fmt.Fprintf(out, format, args...) // where that cannot be written there is nobody to tell
	}
	printf("\nAttempts to reach rows of %q and others as %q, a tenant that knows every id\n", s.Other.Tenant.Name,
		s.Me.Tenant.Name)
	t := tally{verbose: verbose}
	for _, topic := range topics {
		printf("\n%s\n", topic.Title)
		for _, attempt := range topic.Attempts {
			v, err := s.try(topic.As(ctx), topic.owner(s), attempt)
			if err != nil {
				return fmt.Errorf("looking at the tables after %q: %w", attempt.Name, err)
			}
			printf("%s\n", t.line(attempt.Name, v))
		}
	}
	printf("\n%s\n", t.total())
	if t.leaks+t.unexpected > 0 {
		return ErrLeak
	}
	return ctx.Err()
}

// owner is the tenant whose rows an attempt may reach.
func (t Topic) owner(s *Scene) uuid.UUID {
	if t.Of.Tenant.ID != uuid.Nil {
		return t.Of.Tenant.ID
	}
	return s.Me.Tenant.ID
}

// try makes one attempt and then looks, as the system, whether anything has changed.
func (s *Scene) try(ctx context.Context, own uuid.UUID, a Attempt) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	got, err := a.Try(ctx)
	changed, lookErr := s.changed(ctx)
	if lookErr != nil {
		return verdict{}, lookErr
	}
	return a.Want.judge(evidence{own: own, rows: got, err: err, changed: changed}), nil
}

// tally counts attempts and prints them.
type tally struct {
	attempts, leaks, unexpected int
	verbose                     bool
}

// NameWidth is where the dots behind an attempt's name end: names are shorter.
const NameWidth = 54

func (t *tally) line(name string, v verdict) string {
	t.attempts++
	switch v.kind {
	case held:
	case leaked:
		t.leaks++
	case unexpected:
		t.unexpected++
	}
	dots := strings.Repeat(".", max(NameWidth-len(name), 2))
	return fmt.Sprintf("%3d  %s %s %s", t.attempts, name, dots, v.describe(t.verbose))
}

// total is the last line of the output.
func (t *tally) total() string {
	text := fmt.Sprintf("%d attempts, %d leaks", t.attempts, t.leaks)
	if t.unexpected > 0 {
		text += fmt.Sprintf(", %d failed for another reason than they should", t.unexpected)
	}
	return text
}
