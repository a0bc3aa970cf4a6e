package isolation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Referring are the tables with tenants' rows that refer to the table's.
func (s *Statements) Referring() []*Entry {
	var list []*Entry
	for _, e := range s.rows.entries {
		if e.Column != "" && slices.ContainsFunc(s.rows.known[e].References, s.refersHere) {
			list = append(list, e)
		}
	}
	return list
}

func (s *Statements) refersHere(r Reference) bool { return s.rows.Referred(r) == s.entry }

// Children are the paths by the tables whose rows refer to the table's: to add a row that refers to the target, and for
// join tables, which joins says, to read one. Their own security is looked at, too.
func (s *Statements) Children(joins func(*Entry) bool) []Path {
	var paths []Path
	for _, e := range s.Referring() {
		if e == s.entry {
			continue // see Keys
		}
		facts := s.rows.known[e]
		to := slices.DeleteFunc(slices.Clone(facts.References), func(r Reference) bool { return !s.refersHere(r) })
		if joins(e) {
			paths = append(paths, s.rows.adapter.Secured(e.Name, facts))
			paths = append(paths, s.rows.adapter.Joins(e.Name, e.Column, facts, s.rows.ReferredOwned)...)
		}
		for _, r := range to {
			paths = append(paths, s.child(e, r))
			if joins(e) {
				paths = append(paths, s.joined(e, r))
			}
		}
	}
	return paths
}

// RefersTo are the values with which a row of another table refers to a row by a foreign key.
func (*Statements) RefersTo(e *Entry, r Reference, row Values) Values {
	values := make(Values)
	for i, name := range r.Columns {
		if name != e.Column {
			values[name] = row[r.RefColumns[i]]
		}
	}
	return values
}

// child adds a row that refers to the target.
func (s *Statements) child(e *Entry, r Reference) Path {
	path := Path{Name: "INSERT into " + e.Name + " that refers to the row by " + r.Name, Effect: Links}
	path.Run = func(ctx context.Context, a Attempt) ([]string, error) {
		values, err := s.rows.Fill(ctx, e, s.RefersTo(e, r, s.of(a.Target)))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPrepare, err)
		}
		text, args := insert(e, s.rows.known[e], values)
		return nil, s.exec(ctx, text, args)
	}
	return path
}

// childPrefix marks what Seed is asked for by the paths of joined.
const childPrefix = "row of "

// joined reads a row of a join table that refers to the target.
func (s *Statements) joined(e *Entry, r Reference) Path {
	with := childPrefix + e.Name + " by " + r.Name
	path := Path{Name: "SELECT of a " + with, With: with, Sees: with}
	path.Run = func(ctx context.Context, a Attempt) ([]string, error) {
		refers := s.RefersTo(e, r, s.of(a.Target))
		conditions, args := make([]string, 0, len(refers)), make([]any, 0, len(refers))
		for name, value := range refers {
			args = append(args, value)
			conditions = append(conditions, Quote(name)+" = "+cast(s.rows.known[e], name, len(args)))
		}
		other := &Statements{rows: s.rows, entry: e, facts: s.rows.known[e], of: s.of}
		return other.Selected(s.rows.db.QueryContext(ctx,
			"SELECT "+texts(other.facts)+" FROM "+e.SQL()+" WHERE "+strings.Join(conditions, " AND "), args...))
	}
	return path
}

// Relate makes what a path of Children wants beside a row, and returns its key. ok is false where with is the adapter's
// own.
func (s *Statements) Relate(ctx context.Context, with string, row Values) (key string, ok bool, err error) {
	if !strings.HasPrefix(with, childPrefix) {
		return "", false, nil
	}
	for _, e := range s.Referring() {
		for _, r := range s.rows.known[e].References {
			if with == childPrefix+e.Name+" by "+r.Name && s.refersHere(r) {
				made, err := s.rows.Make(ctx, e, s.RefersTo(e, r, row))
				if err != nil {
					return "", true, err
				}
				return s.rows.Key(e, made), true, nil
			}
		}
	}
	return "", true, errors.New("stratumtest: there is no " + with)
}
