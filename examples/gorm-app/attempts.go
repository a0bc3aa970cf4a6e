package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stratum-hq/stratum-go/core"
)

// errLeak is returned when an attempt has succeeded, or has failed for another reason than it should.
var errLeak = errors.New("the boundary between tenants does not hold")

// attemptTimeout bounds one attempt.
const attemptTimeout = 20 * time.Second

// topic is a list of attempts that act in the same context.
type topic struct {
	title    string
	as       actor
	attempts []attempt
}

// actor gives a context to somebody.
type actor func(ctx context.Context, s *scene) context.Context

// attempt is one way to reach another tenant's rows.
type attempt struct {
	name string
	want outcome
	try  func(ctx context.Context, s *scene) (reached, error)
}

// topics are all attempts. Most act as one ordinary tenant, who is taken to know every id there is.
func topics() []topic {
	return []topic{
		{"Without a tenant", asNobody, tenantlessAttempts()},
		{"Reading another tenant's rows", asMe, readAttempts()},
		{"Changing another tenant's rows", asMe, changeAttempts()},
		{"Writing rows in another tenant's name", asMe, forgeAttempts()},
		{"Linking own rows with another tenant's", asMe, linkAttempts()},
		{"Raw SQL that gets out of its statement", asMe, commandAttempts()},
		{"Raw SQL that changes who it runs as", asMe, roleAttempts()},
		{"Sharing connections, transactions and prepared statements", asMe, sessionAttempts()},
		{"Up and down the tree of tenants", asMe, treeAttempts()},
		{"Global tables and the registry of tenants", asMe, globalAttempts()},
	}
}

func asNobody(ctx context.Context, _ *scene) context.Context { return ctx }

func asMe(ctx context.Context, s *scene) context.Context { return as(ctx, s.me) }

// as is the context of a request by somebody at p.
func as(ctx context.Context, p party) context.Context {
	return core.WithActor(core.WithTenant(ctx, p.tenant.ID), core.Actor{ID: "mallory", Kind: "user"})
}

// attack makes all attempts, prints what becomes of each, and counts at the end.
func (d *desk) attack(ctx context.Context, config config) error {
	s, err := d.newScene(ctx)
	if err != nil {
		return err
	}
	if config.sabotage != nil {
		if err := config.sabotage(ctx); err != nil {
			return err
		}
	}
	d.printf("\nAttempts to reach rows of %q and others as %q, a tenant that knows every id\n", s.other.tenant.Name,
		s.me.tenant.Name)
	t := tally{verbose: config.verbose}
	for _, topic := range topics() {
		d.printf("\n%s\n", topic.title)
		for _, attempt := range topic.attempts {
			v, err := s.try(topic.as(ctx, s), attempt)
			if err != nil {
				return fmt.Errorf("looking at the tables after %q: %w", attempt.name, err)
			}
			d.printf("%s\n", t.line(attempt.name, v))
		}
	}
	d.printf("\n%s\n", t.total())
	if t.leaks+t.unexpected > 0 {
		return errLeak
	}
	return ctx.Err()
}

// try makes one attempt and then looks, as the system, whether anything has changed.
func (s *scene) try(ctx context.Context, a attempt) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	got, err := a.try(ctx, s)
	changed, lookErr := s.changed(ctx)
	if lookErr != nil {
		return verdict{}, lookErr
	}
	return a.want.judge(evidence{own: s.me.tenant.ID, rows: got, err: err, changed: changed}), nil
}

// tally counts attempts and prints them.
type tally struct {
	attempts, leaks, unexpected int
	verbose                     bool
}

// nameWidth is where the dots behind an attempt's name end.
const nameWidth = 54

func (t *tally) line(name string, v verdict) string {
	t.attempts++
	switch v.kind {
	case held:
	case leaked:
		t.leaks++
	case unexpected:
		t.unexpected++
	}
	dots := strings.Repeat(".", max(nameWidth-len(name), 2))
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
