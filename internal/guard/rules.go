package guard

import (
	"strings"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// inTx is the cure that several refusals share.
const inTx = "use BeginTx, Commit and Rollback of database/sql, or the ORM's transaction"

// The rules keep honest applications from leaving something behind by accident. They read the text of a statement, and
// what is hidden in a function or built at run time passes them by: see the threat model in docs. What such code
// changes and a tenant's boundary rests on, enter sets again with every statement.

// check refuses what would outlive the statement's transaction or escape from it. Rights are the database's business;
// this is about the connection that the next tenant gets.
func check(c sqltext.Command, tx bool) error {
	if c.Broken {
		return commandError("a string, name or comment without an end, or a NUL byte", "close what is open")
	}
	if c.Statements > 1 {
		return commandError("several statements in one text", "send them one by one, in a transaction if need be")
	}
	if c.Session != "" {
		return commandError(c.Session+" would outlive the statement or change its scope",
			"use the transaction-local form: pg_advisory_xact_lock, set_config(name, value, true), CURSOR WITHOUT "+
				"HOLD; a column of type bytea for what would be a large object")
	}
	if err := checkDefinition(c); err != nil {
		return err
	}
	return checkWord(c, tx)
}

// checkHardened refuses what PostgreSQL has no answer to in the hardened mode. The WHERE of an upsert is evaluated on
// the row with the conflicting key whoever's it is, so that a side effect in it could tell what is in the row, to who
// knows the key. And a block of code could hide that from this rule, as nothing else that a tenant may send can.
func checkHardened(c sqltext.Command, _ bool) error {
	switch {
	case c.ConflictWhere:
		return commandError("ON CONFLICT DO UPDATE with a WHERE, in the hardened mode",
			"look at the row in the same transaction first, or put the condition into SET with CASE")
	case isDefinition(c.Word):
		return commandError(c.Word+", in the hardened mode", "change the schema, roles and rights as the owner")
	case c.Word == "DO":
		return commandError("DO, in the hardened mode", "make it a function, as the owner, and call that")
	}
	return nil
}

// isDefinition knows the commands that change something else than rows. A tenant has a right to none of them, except
// that PostgreSQL lets everybody give away what is its own, and the login change itself.
func isDefinition(word string) bool {
	switch word {
	case "ALTER", "CREATE", "DROP", "GRANT", "REVOKE", "REASSIGN", "COMMENT", "SECURITY", "IMPORT":
		return true
	}
	return false
}

// checkDefinition refuses what PostgreSQL lets every role do to itself: change itself for all its connections to
// come, and drop what is its own, which takes it out of all policies.
func checkDefinition(c sqltext.Command) error {
	next := ""
	if len(c.Next) > 0 {
		next = c.Next[0]
	}
	switch {
	case c.Word == "ALTER" && (next == "ROLE" || next == "USER"):
		return commandError("ALTER ROLE", "do it as the owner")
	case c.Word == "REASSIGN", c.Word == "DROP" && next == "OWNED":
		return commandError(c.Word+" OWNED", "do it as the owner")
	}
	return nil
}

func checkWord(c sqltext.Command, tx bool) error {
	switch c.Word {
	case "BEGIN", "START", "COMMIT", "END", "ABORT":
		return commandError(c.Word, inTx)
	case "ROLLBACK":
		if !tx || !c.IsRollbackTo() {
			return commandError("ROLLBACK", inTx)
		}
	case "SET":
		if !tx || !c.IsLocalSetting() {
			return commandError("SET", "use SET LOCAL inside a transaction, and not for a setting of the guard's own")
		}
	case "RESET", "DISCARD", "LOAD":
		return commandError(c.Word, "settings belong to a transaction: SET LOCAL needs no reset")
	case "PREPARE", "EXECUTE", "DEALLOCATE":
		return commandError(c.Word, "statements are prepared by themselves; use db.Prepare for one of your own")
	case "LISTEN", "UNLISTEN":
		return commandError(c.Word, "listen on a connection of your own, outside Stratum")
	case "COPY":
		// Its own sub-protocol would also hang a message train: the server waits for data and passes over Sync.
		return commandError("COPY", "use CopyFrom and CopyTo of core.Stratum.BeginFunc; database/sql has no COPY")
	}
	return nil
}

// needsBlock reports whether the command could end an implicit transaction by itself and go on without its scope: a
// procedure or a DO block may COMMIT, except inside a transaction block.
func needsBlock(c sqltext.Command) bool {
	return c.Word == "CALL" || c.Word == "DO"
}

// checkTag is the second look, at what the server says it has done: a command that the lexer took for another one
// must not leave its trace on a pooled connection.
func checkTag(tag string, c sqltext.Command, tx bool) error {
	word, _, _ := strings.Cut(tag, " ")
	fine := true
	switch word {
	case "SET":
		fine = tx && c.IsLocalSetting()
	case "ROLLBACK":
		fine = tx && c.IsRollbackTo()
	case "DECLARE":
		fine = c.Word == word && c.Session == ""
	case "BEGIN", "START", "COMMIT", "RESET", "DISCARD", "LOAD", "PREPARE", "DEALLOCATE", "LISTEN", "UNLISTEN", "COPY":
		fine = false
	}
	if !fine {
		return ErrProtocol
	}
	return nil
}
