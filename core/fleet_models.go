package core

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/fleet"
	"github.com/stratum-hq/stratum-go/internal/provision"
	"github.com/stratum-hq/stratum-go/internal/shape"
)

// keptModels is how many models stay written down.
const keptModels = 10

// noteModel writes down what the model is, for runs to come that find targets which are like it.
func (b *builder) noteModel(ctx context.Context, model shape.Model) error {
	const statement = `INSERT INTO stratum.models AS m (hash, model) VALUES ($1, $2)
		ON CONFLICT (hash) DO UPDATE SET noted_at = clock_timestamp()`
	const prune = `DELETE FROM stratum.models WHERE hash NOT IN
		(SELECT hash FROM stratum.models ORDER BY noted_at DESC LIMIT $1)`
	text, err := json.Marshal(model)
	if err != nil {
		return err
	}
	db, err := b.st.OwnerDB(access.Token{})
	if err != nil {
		return err
	}
	err = inOwnerTx(ctx, db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, statement, model.Hash(), string(text)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, prune, keptModels)
		return err
	})
	if err != nil {
		return fmt.Errorf("stratum: writing down the model: %w", err)
	}
	return nil
}

// notedModel returns the model of a hash, or ok = false where it is not written down, or was by another version.
func (b *builder) notedModel(ctx context.Context, hash string) (model shape.Model, ok bool, err error) {
	db, err := b.st.OwnerDB(access.Token{})
	if err != nil {
		return model, false, err
	}
	var text []byte
	err = db.QueryRowContext(ctx, `SELECT model FROM stratum.models WHERE hash = $1`, hash).Scan(&text)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return model, false, nil
	case err != nil:
		return model, false, fmt.Errorf("stratum: reading the model of before: %w", err)
	}
	if err := json.Unmarshal(text, &model); err != nil || model.Hash() != hash {
		return shape.Model{}, false, nil //nolint:nilerr // another version's is none
	}
	return model, true, nil
}

// steps are the differences of older models from the one to come. They are found once, and not for each target.
type steps struct {
	mu     sync.Mutex
	models map[string]*shape.Model
	texts  map[[2]string][]string // by hash and owner, with placeholder for the schema; nil where each schema has its own
}

// placeholder and another are schemas that nobody has: no label begins with zeros. Their ranges of keys differ.
const placeholder, another = "t_00000000000000000000001", "t_00000000000000000000002"

// from returns the model of a hash, or nil.
func (s *steps) from(ctx context.Context, b *builder, hash string) (*shape.Model, error) {
	if hash == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	if model, ok := s.models[hash]; ok {
		return model, nil
	}
	model, ok, err := b.notedModel(ctx, hash)
	if err != nil {
		return nil, err
	}
	if s.models == nil {
		s.models = make(map[string]*shape.Model)
	}
	s.models[hash] = nil
	if ok {
		s.models[hash] = &model
	}
	return s.models[hash], nil
}

// site is where a target's tables are.
type site struct {
	owner  string
	number int64 // of the database's range of keys
	hash   string
}

// step returns the statements that lead from the model that a target is recorded to be like to the one to come, or
// ok = false where that is not known.
func (c *convergence) step(ctx context.Context, t fleet.Target, at site) (statements []string, ok bool, err error) {
	c.steps.mu.Lock()
	defer c.steps.mu.Unlock()
	old, err := c.steps.from(ctx, c.st.Tenants.builder, at.hash)
	if err != nil || old == nil {
		return nil, false, err
	}
	before := *c
	before.model = *old
	if t.Kind == fleet.KindSchema {
		statements, err = c.stepInSchema(&before, t, at)
	} else {
		statements, err = c.between(&before, t, at)
	}
	return statements, err == nil, nil // what is in the way is found again, and told, when the target is looked at
}

// between is the difference of two models at one target.
func (c *convergence) between(before *convergence, t fleet.Target, at site) ([]string, error) {
	have, err := before.wanted(t, at.owner, at.number)
	if err != nil {
		return nil, err
	}
	want, err := c.wanted(t, at.owner, at.number)
	if err != nil {
		return nil, err
	}
	return c.statements(shape.Diff(restrict(bySchema(have), want), want))
}

// stepInSchema is between for schemas, of which most differ in their names alone.
func (c *convergence) stepInSchema(before *convergence, t fleet.Target, at site) ([]string, error) {
	key := [2]string{at.hash, at.owner}
	text, known := c.steps.texts[key]
	if !known {
		var err error
		if text, err = c.template(before, at); err != nil {
			return nil, err
		}
		if c.steps.texts == nil {
			c.steps.texts = make(map[[2]string][]string)
		}
		c.steps.texts[key] = text
	}
	if text == nil {
		return c.between(before, t, at)
	}
	statements := make([]string, len(text))
	for i, s := range text {
		statements[i] = strings.ReplaceAll(s, placeholder, t.Schema)
	}
	return statements, nil
}

// template is the difference in a schema called placeholder, or nil where schemas differ in more than their names.
func (c *convergence) template(before *convergence, at site) ([]string, error) {
	var texts [2][]string
	for i, name := range []string{placeholder, another} {
		var err error
		texts[i], err = c.between(before, fleet.Target{Kind: fleet.KindSchema, Schema: name}, at)
		if err != nil {
			return nil, err
		}
	}
	if len(texts[0]) != len(texts[1]) {
		return nil, nil
	}
	for i, text := range texts[0] {
		if strings.ReplaceAll(text, placeholder, another) != texts[1][i] {
			return nil, nil
		}
	}
	return append([]string{}, texts[0]...), nil
}

// bySchema is a shape as it is read.
func bySchema(s shape.Shape) map[string]shape.Shape {
	shapes := make(map[string]shape.Shape)
	for _, t := range s.Tables {
		in := shapes[t.Schema]
		in.Tables = append(in.Tables, t)
		shapes[t.Schema] = in
	}
	return shapes
}

// recorded are the hashes that targets of one database are recorded to be like.
func recorded(ctx context.Context, q fleet.Querier, source string, targets []fleet.Target) (map[string]string, error) {
	schemas := make([]string, len(targets))
	for i, t := range targets {
		schemas[i] = t.Schema
	}
	list, err := json.Marshal(schemas)
	if err != nil {
		return nil, err
	}
	var text []byte
	err = q.QueryRow(ctx, `SELECT coalesce(pg_catalog.json_object_agg(table_schema, hash), '{}')::text FROM stratum.ledger
		WHERE source = $1 AND table_schema IN (SELECT pg_catalog.json_array_elements_text($2::json))`, source, string(list)).
		Scan(&text)
	if err != nil {
		return nil, fmt.Errorf("stratum: reading what targets are like: %w", err)
	}
	hashes := make(map[string]string)
	return hashes, json.Unmarshal(text, &hashes)
}

// source is the name in the ledgers.
func (c *convergence) source() string {
	if c.copies {
		return provision.LedgerGlobals
	}
	return provision.Ledger
}
