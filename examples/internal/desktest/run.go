package desktest

import (
	"bytes"
	"context"
	"path/filepath"

	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
	"github.com/stratum-hq/stratum-go/examples/internal/desk"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// Config is a config for a folder's dataset and a database of the test's own, with the three logins.
func Config(folder string, database *stratumtest.Database) desk.Config {
	return desk.Config{
		DataDir: folder, DSN: database.DSN, SystemDSN: database.SystemDSN, OwnerDSN: database.OwnerDSN,
		KEKFile: filepath.Join(folder, keyfile),
	}
}

// Run runs a program with a config instead of flags. What it returns of the output ends with the error.
func Run(ctx context.Context, p desk.Program, c desk.Config) (stdout string, code int) {
	var out bytes.Buffer
	err := p.RunConfig(ctx, c, &out)
	if err != nil {
		out.WriteString(err.Error())
	}
	return out.String(), desk.ExitCode(err)
}

// Load writes a folder's dataset into an application.
func Load(ctx context.Context, app desk.App, folder string) error {
	data, err := dataset.Read(dataset.Files(folder))
	if err != nil {
		return err
	}
	return desk.Load(ctx, app, data)
}
