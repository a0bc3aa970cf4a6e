package scope

import (
	"context"
	"slices"
)

type (
	replicaKey struct{}
	afterKey   struct{}
)

// Position is how far a server has written. Positions of one cluster can be compared, and no others.
type Position struct {
	Cluster uint64 // the server's system identifier; its replicas have the same
	LSN     uint64 // a place in its write-ahead log
}

// WithReplica returns ctx with the wish that its reads go to a replica. It is no part of the Scope: a transaction stays
// where it began.
func WithReplica(ctx context.Context) context.Context {
	return context.WithValue(ctx, replicaKey{}, true)
}

// WantsReplica reports whether reads under ctx may go to a replica.
func WantsReplica(ctx context.Context) bool { return ctx.Value(replicaKey{}) != nil }

// After returns ctx for reads that must see what had been written at p, and at all positions that ctx has already.
func After(ctx context.Context, p Position) context.Context {
	return context.WithValue(ctx, afterKey{}, append(slices.Clone(Positions(ctx)), p))
}

// Positions returns those of After.
func Positions(ctx context.Context) []Position {
	all, _ := ctx.Value(afterKey{}).([]Position)
	return all
}
