package fleet

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// record has goose run all migrations on a database that only writes down what it is sent. So goose's own parser says
// what a migration is, once for all targets, and nothing of it is repeated here.
func record(ctx context.Context, fsys fs.FS, inGo []*goose.Migration) (_ []*version, err error) {
	r := &recorder{versions: map[int64]*version{}}
	db := sql.OpenDB(r)
	defer func() { err = errors.Join(err, db.Close()) }()
	stubs := make([]*goose.Migration, len(inGo))
	for i, m := range inGo {
		stubs[i] = stub(m)
	}
	provider, err := goose.NewProvider(goose.DialectCustom, db, fsys, goose.WithStore(r.store()),
		goose.WithGoMigrations(stubs...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("stratum: reading migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return nil, fmt.Errorf("stratum: reading migrations: %w", err)
	}
	return r.list(provider.ListSources(), inGo)
}

// stub is a migration in Go that does nothing, in a transaction if the true one runs in one.
func stub(m *goose.Migration) *goose.Migration {
	up := &goose.GoFunc{RunTx: func(context.Context, *sql.Tx) error { return nil }}
	if m.UpFnNoTxContext != nil {
		up = &goose.GoFunc{RunDB: func(context.Context, *sql.DB) error { return nil }}
	}
	s := goose.NewGoMigration(m.Version, up, nil)
	s.Source = m.Source
	return s
}

// recorder is the database: a driver of one connection, and goose's table of versions.
type recorder struct {
	statements []string // since the last version
	inTx       bool
	versions   map[int64]*version
}

// list puts what was recorded in order, and the functions in their places.
func (r *recorder) list(sources []*goose.Source, inGo []*goose.Migration) ([]*version, error) {
	versions := make([]*version, 0, len(sources))
	for _, s := range sources {
		v := r.versions[s.Version]
		if v == nil {
			return nil, fmt.Errorf("stratum: reading migrations: goose has not run version %d", s.Version)
		}
		v.number, v.name = s.Version, path.Base(s.Path)
		if s.Path == "" {
			v.name = fmt.Sprintf("%05d.go", s.Version)
		}
		if i := slices.IndexFunc(inGo, func(m *goose.Migration) bool { return m.Version == s.Version }); i >= 0 {
			v.runTx, v.runDB = inGo[i].UpFnContext, inGo[i].UpFnNoTxContext
			if v.inTx = v.runDB == nil; v.runTx == nil && v.inTx {
				v.runTx = func(context.Context, *sql.Tx) error { return nil }
			}
		}
		versions = append(versions, v)
	}
	return versions, nil
}

func (r *recorder) Connect(context.Context) (driver.Conn, error) { return &recorderConn{r}, nil }
func (r *recorder) Driver() driver.Driver                        { return nil }

// recorderConn is what goose's statements go to.
type recorderConn struct{ *recorder }

func (c *recorderConn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (c *recorderConn) Close() error                        { return nil }
func (c *recorderConn) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }

func (c *recorderConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	c.inTx = true
	return c, nil
}

func (c *recorderConn) ExecContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	c.statements = append(c.statements, query)
	return driver.ResultNoRows, nil
}

func (c *recorderConn) Commit() error   { c.inTx = false; return nil }
func (c *recorderConn) Rollback() error { c.inTx = false; return nil }

// recorderStore is goose's table of versions, with none of them run.
type recorderStore struct{ *recorder }

func (r *recorder) store() database.Store { return &recorderStore{r} }

func (s *recorderStore) Tablename() string { return goose.DefaultTablename }

func (s *recorderStore) TableExists(context.Context, database.DBTxConn) (bool, error) {
	return true, nil
}

func (s *recorderStore) CreateVersionTable(context.Context, database.DBTxConn) error { return nil }

// Insert is called at the end of a migration, still in its transaction if it has one.
func (s *recorderStore) Insert(_ context.Context, _ database.DBTxConn, r database.InsertRequest) error {
	s.versions[r.Version] = &version{statements: s.statements, inTx: s.inTx}
	s.statements = nil
	return nil
}

func (s *recorderStore) Delete(context.Context, database.DBTxConn, int64) error {
	return errors.ErrUnsupported
}

func (s *recorderStore) GetMigration(
	context.Context, database.DBTxConn, int64,
) (*database.GetMigrationResult, error) {
	return nil, database.ErrVersionNotFound
}

func (s *recorderStore) GetLatestVersion(context.Context, database.DBTxConn) (int64, error) {
	return 0, nil
}

func (s *recorderStore) ListMigrations(
	context.Context, database.DBTxConn,
) ([]*database.ListMigrationsResult, error) {
	return []*database.ListMigrationsResult{{IsApplied: true}}, nil
}
