package desk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// Summary counts what is in a scope: a tenant's rows, or those of a tenant and everything beneath it.
type Summary struct { //nolint:recvcheck // it is added up in place, and a value from then on
	Open, Closed, Comments int64
	Tags                   map[string]int64 // how many tickets have the tag of a name
	Countries              map[string]int64 // how many tickets are from the country of a name
}

// add adds the summary of another tenant.
func (s *Summary) add(other Summary) {
	s.Open += other.Open
	s.Closed += other.Closed
	s.Comments += other.Comments
	s.Tags = added(s.Tags, other.Tags)
	s.Countries = added(s.Countries, other.Countries)
}

func added(counts, more map[string]int64) map[string]int64 {
	sum := maps.Clone(counts)
	if sum == nil {
		sum = make(map[string]int64, len(more))
	}
	for name, n := range more {
		sum[name] += n
	}
	return sum
}

// line is a Summary as it is printed.
type line struct {
	Open     int64  `json:"open"`
	Closed   int64  `json:"closed"`
	Comments int64  `json:"comments"`
	TopTag   string `json:"top_tag"`
	Country  string `json:"country"`
}

func (s Summary) line() line {
	return line{
		Open: s.Open, Closed: s.Closed, Comments: s.Comments, TopTag: most(s.Tags), Country: most(s.Countries),
	}
}

// MarshalJSON has the most frequent tag and country alone.
func (s Summary) MarshalJSON() ([]byte, error) { return json.Marshal(s.line()) }

// most is the name with the highest count, the first in the alphabet where there are several.
func most(counts map[string]int64) string {
	names := slices.Collect(maps.Keys(counts))
	if len(names) == 0 {
		return ""
	}
	return slices.MinFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}

// Way is how a subtree was counted.
type Way string

// The ways to count a subtree.
const (
	// AtOnce is by the statements for one tenant, under core.WithSubtree.
	AtOnce Way = "at once"
	// EachTenant is tenant by tenant, because not all of their rows are in one place.
	EachTenant Way = "tenant by tenant"
)

// SummariseSubtree counts for a tenant and everything beneath it. Where one statement would not see them all, Stratum
// refuses it, rather than count too few; then each tenant is visited where its rows are.
func SummariseSubtree(ctx context.Context, app App, tenant uuid.UUID) (Summary, Way, error) {
	total, err := app.Summarise(core.WithSubtree(ctx, tenant))
	if !errors.Is(err, core.ErrSubtreeElsewhere) {
		return total, AtOnce, err
	}
	var mu sync.Mutex
	total = Summary{}
	_, err = app.Stratum().Tenants.ForEach(ctx, core.ForEachOptions{Under: tenant},
		func(ctx context.Context, _ core.Tenant) error {
			s, err := app.Summarise(ctx)
			mu.Lock()
			defer mu.Unlock()
			total.add(s)
			return err
		})
	return total, EachTenant, err
}
