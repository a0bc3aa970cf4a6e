package main

import (
	"context"
	"slices"

	"github.com/stratum-hq/stratum-go/examples/internal/attack"
)

// apartTopics go from tenants in the shared tables to those with schemas and databases of their own, and back.
func (a *app) apartTopics(ctx context.Context, s *scene) ([]attack.Topic, error) {
	schema, database := s.Apart.Schema, s.Apart.Database
	var scenes []*scene
	for _, roles := range [][2]attack.Party{{s.Me, schema}, {s.Me, database}, {schema, s.Other}, {database, s.Other}} {
		by, err := a.scene(ctx, s.By(roles[0], roles[1]))
		if err != nil {
			return nil, err
		}
		scenes = append(scenes, by)
	}
	into, intoDatabase, out, outOfDatabase := scenes[0], scenes[1], scenes[2], scenes[3]
	return []attack.Topic{
		{Title: "From the shared tables into a tenant's own schema", As: s.AsMe, Attempts: slices.Concat(
			into.readAttempts(), into.linkAttempts(), s.IntoSchemas())},
		{
			Title: "From the shared tables into a tenant's own database", As: s.AsMe,
			Attempts: intoDatabase.readAttempts(),
		},
		{Title: "From a tenant's own schema into the shared tables", As: out.AsMe, Of: schema, Attempts: slices.Concat(
			out.readAttempts(), out.linkAttempts(), out.OutOfSchema())},
		{Title: "From a tenant's own database", As: outOfDatabase.AsMe, Of: database, Attempts: slices.Concat(
			outOfDatabase.readAttempts(), outOfDatabase.linkAttempts(), outOfDatabase.OutOfDatabase())},
		{Title: "From place to place", As: s.AsMe, Attempts: s.BetweenPlaces()},
		{Title: "Passing over tenants elsewhere", As: attack.AsNobody, Attempts: s.PastPlaces()},
	}, nil
}
