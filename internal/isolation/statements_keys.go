package isolation

import (
	"context"
	"slices"
)

// Keys try each unique key and each foreign key of the table. unchecked are unique keys that are declared to be so
// across tenants.
func (s *Statements) Keys(unchecked func(index string) bool) []Path {
	var paths []Path
	for _, u := range s.facts.Uniques {
		// The key that composite foreign keys refer to holds the primary key, which is no value of the application's.
		if !s.HasPrimary(u.Columns) {
			paths = append(paths, s.unique(u, unchecked(u.Name)))
		}
	}
	if len(paths) == 0 {
		paths = append(paths, Path{Name: "unique value of the other tenant", Skipped: "no unique key"})
	}
	return append(paths, s.references()...)
}

// HasPrimary reports whether columns hold those of the primary key.
func (s *Statements) HasPrimary(columns []string) bool {
	return !slices.ContainsFunc(s.facts.Primary, func(name string) bool {
		return name != s.entry.Column && !slices.Contains(columns, name)
	})
}

// unique gives a new row the target's values of a unique key. Where that cannot be tried the key is looked at.
func (s *Statements) unique(u Unique, unchecked bool) Path {
	path := Path{Name: "unique value of the other tenant in " + u.Name, Effect: Shares}
	if unchecked {
		path.Skipped = "it is declared unique across tenants"
		return path
	}
	columns := s.Shareable(u)
	if columns == nil {
		return s.rows.adapter.Inspection(path.Name, s.rows.adapter.Disclosing(u, s.entry.Column))
	}
	path.Run = func(ctx context.Context, a Attempt) ([]string, error) {
		values, err := s.Fill(ctx, pick(s.of(a.Target), columns))
		if err != nil {
			return nil, err
		}
		text, args := insert(s.entry, s.facts, values)
		return nil, s.exec(ctx, text, args)
	}
	return path
}

// Shareable are the columns of a unique key besides the tenant's, or nil where the same values cannot be given to
// another row: an expression, a condition, or a reference, which is another row's in the other tenant.
func (s *Statements) Shareable(u Unique) []string {
	if u.Partial {
		return nil
	}
	referring := s.rows.referring(s.entry, s.facts)
	var columns []string
	for _, name := range u.Columns {
		switch {
		case name == s.entry.Column:
		case name == "" || referring[name]:
			return nil
		default:
			columns = append(columns, name)
		}
	}
	return columns
}

func pick(values Values, columns []string) Values {
	picked := make(Values)
	for _, name := range columns {
		if value, ok := values[name]; ok {
			picked[name] = value
		}
	}
	return picked
}

// references make a row of the caller refer to what the target refers to, by each foreign key of the table.
func (s *Statements) references() []Path {
	var paths []Path
	for _, r := range s.facts.References {
		if !s.rows.ReferredOwned(r) {
			continue
		}
		columns := slices.DeleteFunc(slices.Clone(r.Columns), func(name string) bool { return name == s.entry.Column })
		path := Path{Name: "reference to the other tenant's row by " + r.Name, Effect: Links}
		if len(columns) == len(r.Columns) && slices.ContainsFunc(columns, s.inPrimary) {
			paths = append(paths, s.rows.adapter.Inspection(path.Name, s.rows.adapter.WithoutTenant(r, s.entry.Column)))
			continue
		}
		path.Run = func(ctx context.Context, a Attempt) ([]string, error) {
			return nil, s.set(ctx, a.Own, s.of(a.Target), columns)
		}
		paths = append(paths, path)
	}
	if len(paths) == 0 {
		paths = append(paths, Path{
			Name: "reference to the other tenant's row", Skipped: "no foreign key to a tenant-owned table",
		})
	}
	return paths
}

func (s *Statements) inPrimary(name string) bool { return slices.Contains(s.facts.Primary, name) }
