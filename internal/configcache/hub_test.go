package configcache_test

import (
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/configcache"
)

func TestSubscriptionCollects(t *testing.T) {
	t.Parallel()
	var hub configcache.Hub
	s, gone := hub.Subscribe(), hub.Subscribe()
	gone.Cancel()
	<-s.Wake()
	require.Equal(t, []configcache.Change{{}}, s.Take(), "what was before may be anything")
	require.Empty(t, s.Take())
	seats := configcache.Change{Label: "a", Tenant: uuid.New(), Key: "max_seats"}
	color := configcache.Change{Label: "a", Tenant: seats.Tenant, Key: "color"}
	for range 3 {
		hub.Tell(color)
		hub.Tell(seats)
	}
	<-s.Wake()
	require.Equal(t, []configcache.Change{color, seats}, s.Take(), "each once")
	hub.Tell(seats)
	<-s.Wake()
	require.Equal(t, []configcache.Change{seats}, s.Take(), "and again")
	require.Len(t, gone.Take(), 1, "nothing after Cancel")
}

func TestSubscriptionIsBounded(t *testing.T) {
	t.Parallel()
	var hub configcache.Hub
	s := hub.Subscribe()
	s.Take()
	tell := func(n int) {
		for i := range n {
			hub.Tell(configcache.Change{Label: strconv.Itoa(i)})
		}
	}
	tell(configcache.MaxPending)
	require.Len(t, s.Take(), configcache.MaxPending)
	tell(configcache.MaxPending + 1)
	require.Equal(t, []configcache.Change{{}}, s.Take(), "more than that is everything")
	tell(2*configcache.MaxPending + 5)
	taken := s.Take()
	require.Equal(t, configcache.Change{}, taken[0])
	require.LessOrEqual(t, len(taken), configcache.MaxPending)
}

func TestHubEnds(t *testing.T) {
	t.Parallel()
	var hub configcache.Hub
	done := hub.Done()
	select {
	case <-done:
		require.Fail(t, "it has not ended")
	default:
	}
	hub.Close()
	hub.Close()
	<-done
	<-hub.Done()
}
