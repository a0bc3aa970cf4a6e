package consumer_test

import (
	"go/version"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	self = "github.com/stratum-hq/stratum-go"

	// newestGo is the highest Go version that this module may ask of a consumer.
	newestGo = "1.25.0"
)

// consumers says what an application pays for the packages it imports. A dependency that is new here is a decision:
// it belongs in docs/decisions.md and CHANGELOG.md as well.
var consumers = []struct {
	name     string
	imports  []string // packages of this module
	modules  []string // exactly what is compiled in, besides this module and the standard library
	mustNot  []string // import paths that must not be compiled in, on top of never
	mustHave []string // import paths that must be, so that a row which imports the wrong thing cannot pass
}{
	{
		name:     "ltree only",
		imports:  []string{"ltree"},
		modules:  sorted(pgx),
		mustNot:  slices.Concat(gorm, ent, []string{self + "/core", self + "/internal"}),
		mustHave: []string{self + "/ltree"},
	},
	{
		name:     "fieldcrypt only",
		imports:  []string{"fieldcrypt"},
		modules:  sorted(uuid, text),
		mustNot:  slices.Concat(gorm, ent, []string{self + "/core", self + "/internal", "golang.org/x/crypto"}),
		mustHave: []string{self + "/fieldcrypt"},
	},
	{
		name:     "a keyfile with a passphrase",
		imports:  []string{"fieldcrypt/passphrase"},
		modules:  sorted(uuid, text, argon2),
		mustNot:  slices.Concat(gorm, ent, []string{self + "/core", self + "/internal"}),
		mustHave: []string{self + "/fieldcrypt", "golang.org/x/crypto/argon2"},
	},
	{
		name:     "core without an ORM",
		imports:  []string{"core"},
		modules:  sorted(pgx, pool, migrations, replication, cache, uuid),
		mustNot:  slices.Concat(gorm, ent, []string{self + "/gormstratum", self + "/entstratum"}),
		mustHave: []string{self + "/core", self + "/internal/guard"},
	},
	{
		name:     "core with GORM",
		imports:  []string{"core", "gormstratum"},
		modules:  sorted(pgx, pool, migrations, replication, cache, uuid, gormAndDriver),
		mustNot:  slices.Concat(ent, []string{self + "/entstratum"}),
		mustHave: []string{self + "/core", self + "/gormstratum", "gorm.io/gorm"},
	},
	{
		name:     "core with ent",
		imports:  []string{"core", "entstratum"},
		modules:  sorted(pgx, pool, migrations, replication, cache, uuid, entAndAtlas),
		mustNot:  slices.Concat(gorm, codegen, []string{self + "/gormstratum"}),
		mustHave: []string{self + "/core", self + "/entstratum", "entgo.io/ent"},
	},
}

// Modules that come together.
var (
	pgx = []string{
		"github.com/jackc/pgpassfile",
		"github.com/jackc/pgservicefile",
		"github.com/jackc/pgx/v5",
		"golang.org/x/text",
	}
	pool = []string{
		"github.com/jackc/puddle/v2",
		"golang.org/x/sync",
	}
	migrations = []string{
		"github.com/mfridman/interpolate",
		"github.com/pressly/goose/v3",
		"github.com/sethvargo/go-retry",
		"go.uber.org/multierr",
	}
	// replication keeps the copies of global tables current.
	replication = []string{
		"github.com/jackc/pgio",
		"github.com/jackc/pglogrepl",
	}
	// cache keeps config in memory.
	cache = []string{
		"github.com/maypok86/otter/v2",
	}
	uuid = []string{
		"github.com/google/uuid",
	}
	// text has the normalizers of blind indexes.
	text   = []string{"golang.org/x/text"}
	argon2 = []string{"golang.org/x/crypto", "golang.org/x/sys"}

	gormAndDriver = []string{
		"github.com/jinzhu/inflection",
		"github.com/jinzhu/now",
		"gorm.io/driver/postgres",
		"gorm.io/gorm",
	}
)

// entAndAtlas is what each client that ent generates compiles in, for its migrations: none of it is there for our sake.
var entAndAtlas = []string{
	"ariga.io/atlas",
	"entgo.io/ent",
	"github.com/agext/levenshtein",
	"github.com/apparentlymart/go-textseg/v15",
	"github.com/bmatcuk/doublestar",
	"github.com/go-openapi/inflect",
	"github.com/google/go-cmp",
	"github.com/hashicorp/hcl/v2",
	"github.com/mitchellh/go-wordwrap",
	"github.com/zclconf/go-cty",
	"github.com/zclconf/go-cty-yaml",
	"golang.org/x/mod",
}

// What a consumer of something else must not compile.
var (
	gorm = []string{"gorm.io"}
	ent  = []string{"entgo.io", "ariga.io"}
	// codegen serves those who generate a client, and no program that runs one.
	codegen = []string{"entgo.io/ent/entc", "golang.org/x/tools", self + "/entstratum/codegen"}
)

// never is what no consumer compiles, whichever packages it imports.
var never = slices.Concat(testOnly, otherDrivers, cloudSDKs)

var (
	testOnly = []string{
		"github.com/fergusstrange/embedded-postgres",
		"github.com/stretchr/testify",
		"go.uber.org/goleak",
		"pgregory.net/rapid",
		self + "/internal/conformance",
		self + "/internal/pgserver",
		self + "/stratumtest",
	}
	otherDrivers = []string{
		"github.com/ClickHouse",
		"github.com/denisenkom/go-mssqldb",
		"github.com/glebarez",
		"github.com/go-sql-driver/mysql",
		"github.com/jackc/pgx/v4",
		"github.com/lib/pq",
		"github.com/mattn/go-sqlite3",
		"github.com/microsoft/go-mssqldb",
		"github.com/sijms/go-ora",
		"github.com/snowflakedb",
		"github.com/tursodatabase",
		"github.com/vertica",
		"github.com/ydb-platform",
		"gorm.io/driver/clickhouse",
		"gorm.io/driver/mysql",
		"gorm.io/driver/sqlite",
		"gorm.io/driver/sqlserver",
		"modernc.org/sqlite",
	}
	cloudSDKs = []string{
		"cloud.google.com/go",
		"github.com/Azure",
		"github.com/aws",
		"github.com/hashicorp/vault",
		"gocloud.dev",
		"google.golang.org/api",
		"google.golang.org/grpc",
	}
)

func TestConsumer(t *testing.T) {
	t.Parallel()
	prepare(t)

	for _, c := range consumers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			consumer := newModule(t, c.imports)
			dependencies := consumer.dependencies(t)
			consumer.goTool(t, "build", ".")

			require.Equal(t, c.modules, modulesOf(dependencies), "modules compiled into the consumer")
			for _, p := range c.mustHave {
				require.NotEmpty(t, below(dependencies, p), "%s is not compiled in", p)
			}
			for _, p := range slices.Concat(never, c.mustNot) {
				require.Empty(t, below(dependencies, p), "%s must not be compiled in", p)
			}
		})
	}
}

func TestConsumerGoVersion(t *testing.T) {
	t.Parallel()
	prepare(t)

	ours := module{dir: checkout(t)}.goDirective(t)
	require.LessOrEqual(t, version.Compare("go"+ours, "go"+newestGo), 0,
		"go.mod asks for Go %s (choose the version of the dependency with the lowest go directive)", ours)

	for _, c := range consumers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			consumer := newModule(t, c.imports)
			require.Equal(t, oldGo, consumer.goDirective(t))
			consumer.goTool(t, "build", ".")
			require.Equal(t, ours, consumer.goDirective(t), "the go directive that a consumer ends up with")
		})
	}
}

func sorted(modules ...[]string) []string {
	return slices.Sorted(slices.Values(slices.Concat(modules...)))
}

// modulesOf is sorted and leaves out this module.
func modulesOf(dependencies []dependency) []string {
	var paths []string
	for _, d := range dependencies {
		if d.Module.Path != self {
			paths = append(paths, d.Module.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// below returns the packages at or under path.
func below(dependencies []dependency, path string) []string {
	var found []string
	for _, d := range dependencies {
		if d.ImportPath == path || strings.HasPrefix(d.ImportPath, path+"/") {
			found = append(found, d.ImportPath)
		}
	}
	return found
}
