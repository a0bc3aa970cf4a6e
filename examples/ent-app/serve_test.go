package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/ent-app/ent"
	"github.com/stratum-hq/stratum-go/examples/internal/desk"
	"github.com/stratum-hq/stratum-go/examples/internal/desktest"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/stratumtest"
)

// openSmall is a desk with the small dataset in it.
func openSmall(t *testing.T) desk.App {
	t.Helper()
	return openWith(t, nil)
}

// openWith is a desk with the small dataset, some files of it replaced.
func openWith(t *testing.T, replaced map[string]string) desk.App {
	t.Helper()
	database := stratumtest.EmptyDatabase(t)
	require.NoError(t, desk.AllowDatabases(t.Context(), database))
	kek, err := fieldcrypt.LocalKEK(fieldcrypt.NewKey())
	require.NoError(t, err)
	app, err := open(t.Context(), core.Options{
		DSN: database.DSN, SystemDSN: database.SystemDSN, OwnerDSN: database.OwnerDSN, KEK: kek,
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	folder := t.TempDir()
	require.NoError(t, desktest.Write(folder, replaced))
	require.NoError(t, desktest.Load(t.Context(), app, folder))
	return app
}

// request sends a request such as "GET /tickets" as a tenant and returns the answer.
func request(t *testing.T, h http.Handler, line, tenant, body string) (status int, answer string) {
	t.Helper()
	method, path, _ := strings.Cut(line, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if tenant != "" {
		r.Header.Set("X-Tenant", tenant)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestHandler_reads(t *testing.T) {
	t.Parallel()
	h := openSmall(t).Handler()
	for _, test := range desktest.Reads() {
		t.Run(test.Name, func(t *testing.T) {
			t.Parallel()
			status, answer := request(t, h, test.Line, test.Tenant, test.Body)
			require.Equal(t, test.Status, status, answer)
			require.Contains(t, answer, test.Says)
		})
	}
}

// A handler does not know where a tenant's rows are, and a subtree may be in several places.
func TestHandler_mixedPlaces(t *testing.T) {
	t.Parallel()
	h := openWith(t, desktest.Mixed()).Handler()
	for tenant, says := range map[string]string{
		"far":       `"open":3,"closed":0,"comments":3,"top_tag":"slow"`,
		"far-near":  `"open":1,"closed":0,"comments":1,"top_tag":"slow"`,
		"far-vault": `"open":1,"closed":0,"comments":1,"top_tag":"slow"`,
	} {
		status, answer := request(t, h, "GET /report", tenant, "")
		require.Equal(t, http.StatusOK, status, answer)
		require.Contains(t, answer, says)
		status, _ = request(t, h, "GET /tickets/T-1", tenant, "")
		require.Equal(t, http.StatusOK, status)
	}
}

func TestHandler_listsOwnTicketsOnly(t *testing.T) {
	t.Parallel()
	h := openSmall(t).Handler()
	for path, numbers := range map[string][]string{
		"/tickets":             {"T-3", "T-2", "T-1"}, // the latest first
		"/tickets?status=open": {"T-1"},
	} {
		status, answer := request(t, h, "GET "+path, "mid", "")
		require.Equal(t, http.StatusOK, status, answer)
		var tickets []*ent.Ticket
		require.NoError(t, json.Unmarshal([]byte(answer), &tickets))
		got := make([]string, 0, len(numbers))
		for _, ticket := range tickets {
			got = append(got, ticket.Number)
		}
		require.Equal(t, numbers, got)
	}
}

func TestHandler_writes(t *testing.T) {
	t.Parallel()
	h := openSmall(t).Handler()
	for _, step := range desktest.Writes() {
		status, answer := request(t, h, step.Line, step.Tenant, step.Body)
		require.Equal(t, step.Status, status, "%s: %s", step.Name, answer)
		require.Contains(t, answer, step.Says, step.Name)
	}
	_, answer := request(t, h, "GET /tickets/T-50", "mid", "")
	require.Contains(t, answer, "Me too")
	_, answer = request(t, h, "GET /tickets/T-50", "side", "")
	require.NotContains(t, answer, "Me too")
}

func TestHandler_suspendedTenant(t *testing.T) {
	t.Parallel()
	app := openSmall(t)
	tenant, err := app.Stratum().Tenants.BySlug(t.Context(), "leaf")
	require.NoError(t, err)
	require.NoError(t, app.Stratum().Tenants.Suspend(t.Context(), tenant.ID))
	status, answer := request(t, app.Handler(), "GET /tickets", "leaf", "")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, answer, "not active")
}

func TestRun_serves(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := smallConfig(t, nil)
	reader, writer := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- program().Run(ctx, []string{
			"-serve", "-addr", "127.0.0.1:0", "-data", c.DataDir,
			"-dsn", c.DSN, "-system-dsn", c.SystemDSN, "-owner-dsn", c.OwnerDSN, "-kek-file", c.KEKFile,
		}, writer, &stderr)
		_ = writer.Close()
	}()

	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	lines := bufio.NewScanner(reader)
	var base string
	for base == "" && lines.Scan() {
		base = url.FindString(lines.Text())
	}
	require.NotEmpty(t, base, "%s", &stderr)
	go func() { _, _ = io.Copy(io.Discard, reader) }()

	status, answer := get(t, base+"/tickets/T-1", "leaf")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, answer, `"number":"T-1"`)
	status, _ = get(t, base+"/tickets/T-1", "")
	require.Equal(t, http.StatusUnauthorized, status)

	cancel() // Ctrl-C
	require.Equal(t, desk.ExitOK, <-code, stderr.String())
}

func get(t *testing.T, url, tenant string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	r.Header.Set("X-Tenant", tenant)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func TestRun_servesNothingOnATakenAddress(t *testing.T) {
	t.Parallel()
	busy := httptest.NewServer(http.NotFoundHandler())
	defer busy.Close()
	c := smallConfig(t, nil)
	c.Serve, c.Addr = true, strings.TrimPrefix(busy.URL, "http://")
	stdout, code := desktest.Run(t.Context(), program(), c)
	require.Equal(t, desk.ExitFailed, code)
	require.Contains(t, stdout, "address already in use")
}
