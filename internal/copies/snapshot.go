package copies

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// snapshot is PostgreSQL's pg_snapshot: which transactions had ended when it was taken. Ids are full ones of 64 bits.
type snapshot struct {
	xmin, xmax uint64
	running    []uint64 // sorted
}

// parseSnapshot reads xmin:xmax:running,...
func parseSnapshot(text string) (snapshot, error) {
	var s snapshot
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return s, fmt.Errorf("stratum: %q is not a snapshot", text)
	}
	ids := []string{parts[0], parts[1]}
	if parts[2] != "" {
		ids = append(ids, strings.Split(parts[2], ",")...)
	}
	for i, id := range ids {
		n, err := strconv.ParseUint(id, 10, 64)
		if err != nil {
			return s, fmt.Errorf("stratum: reading a snapshot: %w", err)
		}
		switch i {
		case 0:
			s.xmin = n
		case 1:
			s.xmax = n
		default:
			s.running = append(s.running, n)
		}
	}
	slices.Sort(s.running)
	return s, nil
}

// sees tells whether what a committed transaction did is visible.
func (s snapshot) sees(xid uint64) bool {
	if xid < s.xmin {
		return true
	}
	_, running := slices.BinarySearch(s.running, xid)
	return xid < s.xmax && !running
}

// covers tells whether s sees whatever the other sees: that it is the same or a later one.
func (s snapshot) covers(other snapshot) bool {
	if s.xmax < other.xmax {
		return false
	}
	return !slices.ContainsFunc(s.running, other.sees)
}

// widen makes a full transaction id of the lower half that travels in a stream, given one of about the same time.
func widen(xid uint32, near uint64) uint64 {
	const epoch = uint64(1) << 32
	full := near&^(epoch-1) | uint64(xid)
	switch {
	case full > near && full-near > epoch/2 && full >= epoch:
		return full - epoch
	case full < near && near-full > epoch/2:
		return full + epoch
	}
	return full
}
