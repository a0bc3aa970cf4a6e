package sqltext

import (
	"slices"
	"strings"
)

// Command is what Inspect found out about a statement.
type Command struct {
	// Word is the first word in upper case, "" for an empty statement or one that starts with a parenthesis.
	Word string
	// Next holds the words that follow the first, in upper case, four at most.
	Next []string
	// Statements counts the statements in the text; an empty one after a last semicolon does not count.
	Statements int
	// Session names what in the statement would outlive its transaction, or "" where nothing was found: a session
	// advisory lock, a setting that is not transaction-local, a cursor WITH HOLD, a large object.
	Session string
	// ConflictWhere is set where an ON CONFLICT ... DO UPDATE has a WHERE: it is evaluated on the row that is there
	// already before row-level security has a say.
	ConflictWhere bool
	// Changes is set where a word in the statement is one of those that write or lock rows: it may be a name, too.
	Changes bool
	// Broken is set where a string, name or comment has no end, or the text has a NUL byte in it.
	Broken bool
}

// maxNext is how many words after the first a Command keeps.
const maxNext = 4

// Inspect reads sql. It allocates nothing that grows with the text.
func Inspect(sql string) Command {
	in := inspector{lexer: lexer{sql: sql}}
	for in.step() {
	}
	return in.command
}

// inspector gathers a Command, token by token.
type inspector struct {
	lexer
	command Command
	open    bool // tokens of a statement were seen since the last semicolon
	leading bool // only words have been seen so far
	hold    bool // the word before was WITH

	conflict conflict
}

func (in *inspector) step() bool {
	t := in.next()
	switch t.kind {
	case end:
		return false
	case broken:
		in.command.Broken = true
		return false
	case semicolon:
		in.open = false
		return true
	case word, quoted, text, param, symbol:
	}
	in.count()
	in.lead(t)
	in.remember(t)
	in.change(t)
	in.watch(t)
	return true
}

// A semicolon ends a statement wherever it stands. Inside the parentheses of CREATE RULE and the body of BEGIN ATOMIC
// it does not, to the server; such definitions are refused as several statements, and are no work for a tenant.

// count starts a statement at the first token after a semicolon.
func (in *inspector) count() {
	if in.open {
		return
	}
	in.open = true
	in.command.Statements++
	in.leading = in.command.Statements == 1
}

// lead keeps the words at the statement's head.
func (in *inspector) lead(t token) {
	if !in.leading {
		return
	}
	if t.kind != word {
		in.leading = false
		return
	}
	w := strings.ToUpper(in.sql[t.start:t.stop])
	switch {
	case in.command.Word == "":
		in.command.Word = w
	case len(in.command.Next) < maxNext:
		in.command.Next = append(in.command.Next, w)
	default:
		in.leading = false
	}
}

// remember notes what PostgreSQL would keep on the connection after the transaction.
func (in *inspector) remember(t token) {
	name := in.name(t)
	held := in.hold && strings.EqualFold(name, "hold")
	in.hold = strings.EqualFold(name, "with")
	switch {
	case in.command.Session != "" || name == "":
	case held && in.command.Word == "DECLARE":
		in.command.Session = "a cursor WITH HOLD"
	case isSessionLock(name):
		// Also where it is no call: a column of that name is not worth the doubt.
		in.command.Session = "a session advisory lock"
	case isLargeObject(name) && in.called():
		in.command.Session = "a large object"
	case strings.EqualFold(name, "set_config") && !in.localSetting():
		in.command.Session = "a setting that is not local to the transaction"
	case t.kind == quoted && in.sql[t.start] != '"' && in.called():
		in.command.Session = "a function that is named with unicode escapes"
	}
}

// change notes what only the primary can do, or should: write, lock rows, take an advisory lock.
func (in *inspector) change(t token) {
	if in.command.Changes || t.kind != word {
		return
	}
	w := in.sql[t.start:t.stop]
	in.command.Changes = isAdvisoryLock(w) || slices.ContainsFunc([]string{
		"insert", "update", "delete", "merge", "into", "share",
	}, func(change string) bool { return strings.EqualFold(change, w) })
}

// isAdvisoryLock knows the functions that take one.
func isAdvisoryLock(name string) bool {
	const prefix, try = "pg_advisory_", "pg_try_advisory_"
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) ||
		len(name) >= len(try) && strings.EqualFold(name[:len(try)], try)
}

// Reads reports whether the command is a query that neither writes nor locks, as far as its text tells: what the
// functions do that it calls, only the server knows.
func (c Command) Reads() bool {
	switch c.Word {
	case "", "SELECT", "WITH", "VALUES", "TABLE":
		return c.Statements == 1 && !c.Changes && !c.Broken && c.Session == ""
	}
	return false
}

// called reports whether the token just read is the name in a function call.
func (in *inspector) called() bool {
	ahead := in.lexer
	t := ahead.next()
	return t.kind == symbol && ahead.sql[t.start] == '(' || strings.EqualFold(ahead.sql[t.start:t.stop], "uescape")
}

// name returns the identifier that t is, without its quotes, or "".
func (in *inspector) name(t token) string {
	s := in.sql[t.start:t.stop]
	switch t.kind {
	case word:
		return s
	case quoted:
		return strings.Trim(s[strings.IndexByte(s, '"'):], `"`)
	case end, text, param, semicolon, symbol, broken:
	}
	return ""
}

// isSessionLock knows the advisory locks that last until the session ends: all without "xact" in their name.
func isSessionLock(name string) bool {
	const prefix, try = "pg_advisory_lock", "pg_try_advisory_lock"
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) ||
		len(name) >= len(try) && strings.EqualFold(name[:len(try)], try)
}

// isLargeObject knows the functions that make or fill large objects. These belong to the role, which tenants share.
func isLargeObject(name string) bool {
	return slices.ContainsFunc([]string{
		"lo_creat", "lo_create", "lo_from_bytea", "lo_import", "lo_put", "lowrite",
	}, func(maker string) bool { return strings.EqualFold(maker, name) })
}

// localSetting looks ahead over the arguments of set_config: a plain name that is not the guard's own, any value, and
// the literal true.
func (in *inspector) localSetting() bool {
	if !in.called() {
		return true // a column or an alias of that name
	}
	ahead := in.lexer
	ahead.next()
	name := ahead.next()
	if name.kind != text || !name.plain || guarded(ahead.sql[name.start+1:name.stop-1]) {
		return false
	}
	value := ahead
	if comma := value.next(); value.sql[comma.start:comma.stop] != "," {
		return false // the name is only a part of an expression
	}
	return strings.EqualFold(ahead.lastArgument(), "true")
}

// lastArgument moves to the closing parenthesis of the current call and returns its third argument where that is one
// token, else "".
func (l *lexer) lastArgument() string {
	depth, commas, tokens, last := 0, 0, 0, ""
	for {
		t := l.next()
		s := l.sql[t.start:t.stop]
		switch {
		case t.kind == end || t.kind == broken || t.kind == semicolon:
			return ""
		case s == ")" && depth == 0:
			if commas != 2 || tokens != 1 {
				return ""
			}
			return last
		case s == "(":
			depth++
		case s == ")":
			depth--
		case s == "," && depth == 0:
			commas++
			tokens = 0
			continue
		}
		tokens++
		last = s
	}
}

// guarded reports whether a setting belongs to the guard: with another value a statement would leave its scope, or be
// read by the server in another way than by this package.
func guarded(setting string) bool {
	switch s := strings.ToLower(setting); s {
	case "role", "session_authorization", "search_path", "row_security", "session_replication_role",
		"standard_conforming_strings", "backslash_quote", "client_encoding":
		return true
	default:
		return strings.HasPrefix(s, "stratum.")
	}
}

// IsLocalSetting reports whether the command is a SET that ends with its transaction and leaves the guard's own
// settings alone: SET LOCAL, SET CONSTRAINTS or SET TRANSACTION.
func (c Command) IsLocalSetting() bool {
	if c.Word != "SET" || len(c.Next) == 0 {
		return false
	}
	switch c.Next[0] {
	case "CONSTRAINTS", "TRANSACTION":
		// Both end with the transaction by themselves. After enter it is too late for isolation and access mode.
		return true
	case "LOCAL":
		// A name in quotes is not kept in Next, and cannot be judged.
		return len(c.Next) > 1 && !guarded(c.Next[1]) && !respelled(c.Next[1])
	}
	return false
}

// respelled knows the first words of SET LOCAL by which a guarded setting has another name: SESSION AUTHORIZATION,
// SCHEMA for search_path, NAMES for client_encoding, and what stands before the dot in stratum.tenant.
func respelled(first string) bool {
	switch first {
	case "SESSION", "SCHEMA", "NAMES", "STRATUM":
		return true
	}
	return false
}

// IsRollbackTo reports whether the command is ROLLBACK [WORK | TRANSACTION] TO, which stays in its transaction.
func (c Command) IsRollbackTo() bool {
	if c.Word != "ROLLBACK" || len(c.Next) == 0 {
		return false
	}
	if next := c.Next[0]; next == "WORK" || next == "TRANSACTION" {
		return len(c.Next) > 1 && c.Next[1] == "TO"
	}
	return c.Next[0] == "TO"
}
