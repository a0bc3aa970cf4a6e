package adopt

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// Script returns what Forward would run, as SQL for psql.
func Script(ctx context.Context, config Config, to tables.Step) (string, error) {
	return script(ctx, config, func(p *tables.Plan) ([]tables.Change, error) { return p.Forward(to), p.Rootless() })
}

// BackScript returns what Back would run, as SQL for psql.
func BackScript(ctx context.Context, config Config, to tables.Step) (string, error) {
	return script(ctx, config, func(p *tables.Plan) ([]tables.Change, error) { return p.Back(to), nil })
}

// scriptHead is in front of every script.
const scriptHead = `-- For psql, as the owner of the tables, outside a transaction. Each part can be run again by itself
-- after it has failed: on a lock that was not to be had in time, wait a moment and repeat it.
\set ON_ERROR_STOP on
SET stratum.owner = 'migrate';
`

func script(
	ctx context.Context, config Config, plan func(*tables.Plan) ([]tables.Change, error),
) (text string, err error) {
	config = config.withDefaults()
	s, err := open(ctx, config)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	p, err := s.plan(ctx)
	if err != nil {
		return "", err
	}
	changes, err := plan(p)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(scriptHead)
	for _, c := range changes {
		config.write(&b, c)
	}
	return b.String(), nil
}

// write adds a change with the reason why it is run as it is.
func (c Config) write(b *strings.Builder, change tables.Change) {
	fmt.Fprintf(b, "\n-- %s: table %s", change.Step, change.Table)
	if change.Object != "" {
		fmt.Fprintf(b, ", %s", change.Object)
	}
	b.WriteString("\n")
	if change.Violation != "" {
		fmt.Fprintf(b, "-- Rows that make it fail: %s\n", change.Violation)
	}
	switch change.Kind {
	case tables.Brief:
		b.WriteString(c.brief(change))
	case tables.Lockless:
		b.WriteString("BEGIN;\n" + lockless(change) + ";\nCOMMIT")
	case tables.Concurrent, tables.Validating, tables.Filling:
		if change.Undo != "" {
			fmt.Fprintf(b, "-- If it fails: %s;\n", change.Undo)
		}
		b.WriteString(lockless(change))
	}
	b.WriteString(";\n")
}
