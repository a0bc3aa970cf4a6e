// Package copies keeps read-only copies of tables current in other databases: global tables whole, and of mixed tables
// the rows of everyone. The source is the database where they are written. What is refreshed together always holds what
// one committed state of the source held; what comes by the log, what another one held, a moment later.
//
//	table.go, shape*.go             Table, Target: what is copied where; columns and keys of both sides
//	install.go                      Install: triggers that write down which transaction changed which table
//	snapshot.go, marker.go          which transactions a copy holds, and which tables have changed since
//	refresh.go, stage.go, merge.go  Refresh: stream, compare, and write what differs, in one transaction
//	lag.go, prune.go                Lag: how far behind; Prune: away with changes that every copy holds
//	follow.go, session.go, worker.go, queue.go  Follow: refreshes targets when the source says that it has changed
//	stream.go, publish.go, reader.go, decode.go, apply.go  the same by logical replication, change by change
//	errors.go                       the refusals
//
// Two facts carry the package. A snapshot says exactly which transactions it sees, so a copy made in a snapshot is
// missing exactly the changes whose transactions are not visible in it: nothing is counted, no clock compared, and no
// change can be taken for copied because it committed late. And Refresh repairs whatever it finds, so that every doubt
// elsewhere, such as a lost connection, a huge transaction or a conflict, ends in a Refresh.
package copies
