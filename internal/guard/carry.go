package guard

import (
	"strings"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// On Citus the rows are on other servers than the one that statements are sent to. What is set here reaches them only
// where it is set by SET LOCAL, in a transaction block, after carrySQL, and as the only command of its message: Citus
// repeats the text of the message on each connection to a worker. What a function sets by set_config stays behind. So
// enter is as it is elsewhere, and in front of it the same settings are made once more, to be carried.
//
// The role need not be: Citus connects to the workers as the role that a statement runs as. It must be set by
// set_config, for a text that says SET LOCAL ROLE would be carried too.

// carrySQL has Citus carry what is set from here on. On a server without Citus it sets something that nobody reads.
const carrySQL = "SET LOCAL citus.propagate_set_commands TO 'local'"

// carrySubtreeSQL has the tenants of a subtree carried: the workers know no tree. It stands behind the role.
const carrySubtreeSQL = `, stratum.carry_subtree()`

// carried are the commands that make a statement's settings where its rows are. SET takes no parameters. Values are
// written so that they mean the same whatever a worker's standard_conforming_strings is.
func carried(p *Place, e *entry) []string {
	tenant := ""
	if e.tenant != uuid.Nil {
		tenant = e.tenant.String()
	}
	return []string{
		carrySQL,
		setLocal("stratum.tenant", sqltext.Literal(tenant)),
		setLocal("stratum.context", sqltext.Literal(string(e.args[2]))),
		setLocal("search_path", pathList(p.SearchPath)),
	}
}

func setLocal(name, value string) string { return "SET LOCAL " + name + " TO " + value }

// pathList is a search_path as SET takes it: a list of names. As one text it would be one name.
func pathList(path string) string {
	entries := sqltext.SplitPath(path)
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = sqltext.Quote(sqltext.PathName(entry))
	}
	return strings.Join(names, ", ")
}

// commands are what stands in front of enter, where settings are carried and where what is left behind is cleared.
func (e *entry) commands() []string {
	if len(e.carried) == 0 {
		return e.before
	}
	return append(e.carried[:len(e.carried):len(e.carried)], e.before...)
}
