// Package guard is the tenant-scoped database/sql driver that everything else stands on. Every statement brings its
// context; the guard makes the statement belong to the context's tenant in the same round trip, or refuses it.
//
// A statement outside a transaction travels as one message train under one Sync, [enter, statement], which PostgreSQL
// runs as one implicit transaction. BeginTx sends [begin, enter] the same way and pins the tenant. Enter's settings
// are local to the transaction, so nothing of a tenant stays on a pooled connection.
//
//	connector.go  Connector, Config: what sql.OpenDB takes
//	pool.go       Pool: lends connections to the server, one pool for tenants and one for the system; pool_inner.go wakes
//	              it and puts it to sleep, pool_stats.go tells of it
//	budget.go     Budget: bounds the connections of many pools by leases; budget_token.go by tokens, and whom it evicts;
//	              socket.go is a connection that counts until the server has closed its end
//	conn.go       conn: what database/sql holds; borrows a session for a statement or a transaction
//	session.go    session: one connection to the server; probe_*.go looks whether it is alive
//	cache.go      the bounded cache of statement descriptions of a session
//	enter.go      how a transaction comes to belong to a scope; standing.go the short way, proof.go the signed one
//	carry.go      what is set once more, for Citus to carry to its workers
//	replica*.go   reads that go to replicas; the ledger of writes that a replica must have replayed
//	limit.go      turns: how much of a tenant may go on at once
//	scoped*.go    Tx: the verbs of pgx inside a transaction that has entered
//	run.go        the message trains: describe, execute, retry; simple.go as plain text
//	rules.go      commands that are refused, and what is checked after each
//	rows.go       rows with a look-ahead of one; values.go decodes them
//	tx.go, stmt.go  transactions, lazily prepared statements
//	errors.go     the refusals; explain.go what they mean where a tenant has a place of its own;
//	              redact.go keeps addresses and values out of the texts of others
package guard
