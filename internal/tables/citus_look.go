package tables

import (
	"context"
	"encoding/json"
	"fmt"
)

// placed is where Citus has a table.
type placed struct {
	OID        uint32 `json:"oid"`
	Method     string `json:"method"` // as in pg_dist_partition.partmethod
	Model      string `json:"model"`  // as in pg_dist_partition.repmodel
	Colocation uint32 `json:"colocation"`
	Column     string `json:"column"` // of a distributed table
}

// What pg_dist_partition says of a table.
const (
	methodHash     = "h"
	methodNone     = "n"
	modelReference = "t"
)

// distributed reports whether the rows are on shards by a column.
func (p *placed) distributed() bool { return p != nil && p.Method != methodNone }

// reference reports whether each worker has all rows.
func (p *placed) reference() bool {
	return p != nil && p.Method == methodNone && p.Model == modelReference
}

// placedSQL lists the tables that Citus knows.
const placedSQL = `SELECT coalesce(json_agg(json_build_object(
	'oid', p.logicalrelid::oid::int8, 'method', p.partmethod, 'model', p.repmodel, 'colocation', p.colocationid,
	'column', CASE WHEN p.partmethod = '` + methodNone + `' THEN ''
		ELSE column_to_column_name(p.logicalrelid, p.partkey::text) END)), '[]')::text FROM pg_dist_partition p`

// findPlaced reads where Citus has the relations. search_path is set to pg_catalog.
func (m *Migration) findPlaced(ctx context.Context, v *view) error {
	if !m.citus {
		return nil
	}
	var text string
	var all []placed
	err := m.tx.QueryRowContext(ctx, placedSQL).Scan(&text)
	if err == nil {
		err = json.Unmarshal([]byte(text), &all)
	}
	if err != nil {
		return fmt.Errorf("stratum: reading where Citus has the tables: %w", err)
	}
	for _, rel := range v.byName {
		for i := range all {
			if all[i].OID == rel.OID {
				rel.Placed = &all[i]
			}
		}
	}
	return nil
}

// carryOwner opens the owner's view of rows on the workers too, for the time of the transaction. Where a foreign key
// leads to a reference table, Citus wants what is done to shards done on one connection.
func (m *Migration) carryOwner(ctx context.Context) error {
	if !m.citus {
		return nil
	}
	for _, statement := range []string{
		"SET LOCAL citus.propagate_set_commands TO 'local'", "SET LOCAL stratum.owner TO 'migrate'",
		"SET LOCAL citus.multi_shard_modify_mode TO 'sequential'",
	} {
		if _, err := m.tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("stratum: preparing the transaction: %s: %w", statement, err)
		}
	}
	return nil
}
