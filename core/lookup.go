package core

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/scope"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Lookup is a declared read across tenants: how an application finds out which tenant it is about, before it knows.
// Whose is this email, this API key, the account in this webhook? It takes the place of AsSystem with the same reason
// in each of these places, and an auditor finds all of them with Stratum.Lookups.
//
// It runs with the login of SystemDSN as the role of the system, and the database refuses any write in it, whatever the
// query calls. The reason that the database is told is "lookup: " and the name; the actor is that of ctx.
//
// A Lookup wants a ctx without a tenant. Under WithTenant and WithSubtree it returns ErrLookupScope: who acts for a
// tenant has no business with others, unless AsSystem says why. Under AsSystem it runs.
type Lookup[T any] struct {
	st    *Stratum
	info  LookupInfo
	row   pgx.RowToFunc[T]
	scope scope.Scope
}

// LookupInfo is what Stratum.Lookups tells of a Lookup.
type LookupInfo struct {
	// Name is the Lookup's name, unique for its Stratum.
	Name string
	// Query is the text that it runs.
	Query string
}

// MaxLookupName is the most characters that the name of a Lookup has.
const MaxLookupName = 100

// lookupReason starts the reason that the database is told.
const lookupReason = "lookup: "

// Refusals of a Lookup, for errors.Is.
var (
	// ErrLookup is returned by NewLookup for a name or a query that cannot be declared.
	ErrLookup = errors.New("stratum: this lookup cannot be declared")
	// ErrLookupScope is returned by a Lookup for a ctx of a tenant.
	ErrLookupScope = errors.New("stratum: a lookup is for a ctx without a tenant (do it before core.WithTenant, or " +
		"use core.AsSystem with a reason)")
	// ErrLookupNotFound is returned by One where there is no row. It is a pgx.ErrNoRows and a sql.ErrNoRows, too.
	ErrLookupNotFound = fmt.Errorf("stratum: the lookup found nothing: %w", pgx.ErrNoRows)
	// ErrLookupAmbiguous is returned by One where there is more than one row. It is a pgx.ErrTooManyRows, too.
	ErrLookupAmbiguous = fmt.Errorf("stratum: the lookup found several rows (have the query choose, or use All): %w",
		pgx.ErrTooManyRows)
)

// NewLookup declares a Lookup, once, where the application starts. Rows become values of T: a struct takes columns by
// name as pgx.RowToStructByName does, with db tags; any other type takes the only column.
//
// The name says what is looked up, such as "login by email": up to MaxLookupName printable characters, unique for st.
// The query is one SELECT, or WITH that ends in one. Else NewLookup returns an error that is ErrLookup. It sends
// nothing.
func NewLookup[T any](st *Stratum, name, query string) (*Lookup[T], error) {
	if err := checkLookup(name, query); err != nil {
		return nil, err
	}
	l := &Lookup[T]{
		st: st, info: LookupInfo{Name: name, Query: query}, row: rowTo[T](),
		scope: scope.Scope{Kind: scope.System, Reason: lookupReason + name},
	}
	if err := st.lookups.add(l.info); err != nil {
		return nil, err
	}
	return l, nil
}

func checkLookup(name, query string) error {
	switch n := utf8.RuneCountInString(name); {
	case n == 0 || n > MaxLookupName || strings.TrimSpace(name) != name:
		return fmt.Errorf("%w: its name has %d characters or starts or ends with a space (1 to %d, such as \"login by "+
			"email\")", ErrLookup, n, MaxLookupName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%w: its name %q has characters that cannot be printed (leave them out)", ErrLookup, name)
	}
	if err := guard.CheckText(query); err != nil {
		return fmt.Errorf("%w: %q: %w", ErrLookup, name, err)
	}
	if word := sqltext.Inspect(query).Word; word != "SELECT" && word != "WITH" {
		return fmt.Errorf("%w: %q begins with %q (a lookup is a SELECT, or a WITH that ends in one)", ErrLookup, name,
			word)
	}
	return nil
}

// rowTo says how a row becomes a T.
func rowTo[T any]() pgx.RowToFunc[T] {
	var zero T
	_, known := pgtype.NewMap().TypeForValue(zero)
	_, scans := any(&zero).(sql.Scanner)
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Struct && !known && !scans {
		return pgx.RowToStructByName[T]
	}
	return pgx.RowTo[T]
}

// Info returns what was declared.
func (l *Lookup[T]) Info() LookupInfo { return l.info }

// One returns the only row. Where there is none it returns ErrLookupNotFound, and where there are several
// ErrLookupAmbiguous: which of two tenants is meant is not for chance to decide.
func (l *Lookup[T]) One(ctx context.Context, args ...any) (T, error) {
	all, err := l.All(ctx, args...)
	switch {
	case err == nil && len(all) == 0:
		err = ErrLookupNotFound
	case err == nil && len(all) > 1:
		err = ErrLookupAmbiguous
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return all[0], nil
}

// All returns all rows, and an empty slice where there is none. It is one round trip, and two on a connection that has
// not run the query yet.
func (l *Lookup[T]) All(ctx context.Context, args ...any) (found []T, err error) {
	if s := scope.From(ctx); s.Kind != scope.None {
		switch s, err = scope.Check(ctx); {
		case err != nil:
			return nil, err
		case s.Kind != scope.System:
			return nil, ErrLookupScope
		}
	}
	err = l.st.guard.Read(scope.With(ctx, l.scope), func(rows pgx.Rows) error {
		found, err = pgx.CollectRows(rows, l.row)
		return err
	}, l.info.Query, args...)
	if err != nil {
		return nil, fmt.Errorf("lookup %q: %w", l.info.Name, err)
	}
	return found, nil
}

// Lookups returns every Lookup that was declared, by name.
func (s *Stratum) Lookups() []LookupInfo { return s.lookups.all() }

// lookups are those of a Stratum.
type lookups struct {
	mu     sync.Mutex
	byName map[string]LookupInfo
}

func (l *lookups) add(info LookupInfo) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, taken := l.byName[info.Name]; taken {
		return fmt.Errorf("%w: %q is declared already (declare it once, at start, and share it)", ErrLookup, info.Name)
	}
	if l.byName == nil {
		l.byName = make(map[string]LookupInfo)
	}
	l.byName[info.Name] = info
	return nil
}

func (l *lookups) all() []LookupInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]LookupInfo, 0, len(l.byName))
	for _, info := range l.byName {
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b LookupInfo) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
