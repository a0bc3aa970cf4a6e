package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// openSmall is a desk with the small dataset in it.
func openSmall(t *testing.T) *desk {
	t.Helper()
	c := smallConfig(t, nil)
	data, err := readDataset(c.files())
	require.NoError(t, err)
	d, err := openDesk(t.Context(), c, io.Discard)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.close(context.WithoutCancel(t.Context()))) })
	require.NoError(t, d.load(t.Context(), data))
	return d
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
	h := openSmall(t).handler()
	for name, test := range map[string]struct {
		path, tenant string
		status       int
		says         string
	}{
		"no tenant":                   {"/tickets", "", http.StatusUnauthorized, "X-Tenant"},
		"no tenant, one ticket":       {"/tickets/T-1", "", http.StatusUnauthorized, "X-Tenant"},
		"no tenant, report":           {"/report", "", http.StatusUnauthorized, "X-Tenant"},
		"unknown tenant":              {"/tickets", "nobody", http.StatusUnauthorized, "no such tenant"},
		"impossible tenant":           {"/tickets", "'; --", http.StatusUnauthorized, "no such tenant"},
		"one ticket":                  {"/tickets/T-2", "mid", http.StatusOK, `"subject":"Second, \"quoted\""`},
		"its tags and comments":       {"/tickets/T-1", "mid", http.StatusOK, `ünïcode ✓`},
		"a ticket of another":         {"/tickets/T-3", "side", http.StatusNotFound, "not found"},
		"a ticket of a child":         {"/tickets/T-3", "top", http.StatusNotFound, "not found"},
		"a tenant without any":        {"/tickets", "idle", http.StatusOK, "[]"},
		"report on a subtree":         {"/report", "mid", http.StatusOK, `"open":3,"closed":1,"comments":3,"top_tag":"vip","country":"Norway"`},
		"report on the whole tree":    {"/report", "top", http.StatusOK, `"open":5,"closed":2,"comments":5,`},
		"report on a leaf":            {"/report", "leaf", http.StatusOK, `"open":1,"closed":0,"comments":1,`},
		"no other page":               {"/nix", "mid", http.StatusNotFound, "404"},
		"status that no ticket has":   {"/tickets?status=lost", "mid", http.StatusOK, "[]"},
		"a status with SQL inside it": {"/tickets?status=x'%20OR%20'1'='1", "mid", http.StatusOK, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, answer := request(t, h, "GET "+test.path, test.tenant, "")
			require.Equal(t, test.status, status, answer)
			require.Contains(t, answer, test.says)
		})
	}
}

func TestHandler_listsOwnTicketsOnly(t *testing.T) {
	t.Parallel()
	h := openSmall(t).handler()
	for path, numbers := range map[string][]string{
		"/tickets":             {"T-3", "T-2", "T-1"}, // the latest first
		"/tickets?status=open": {"T-1"},
	} {
		status, answer := request(t, h, "GET "+path, "mid", "")
		require.Equal(t, http.StatusOK, status, answer)
		var tickets []Ticket
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
	h := openSmall(t).handler()
	const ticket = `{"number": "T-50", "subject": "New", "country": "IE"}`
	// In this order: each step sees what those before it have done.
	for _, step := range []struct {
		name, tenant, path, body string
		status                   int
		says                     string
	}{
		{"no tenant", "", "/tickets", ticket, http.StatusUnauthorized, "X-Tenant"},
		{"a ticket", "mid", "/tickets", ticket, http.StatusCreated, `"number":"T-50"`},
		{"its number again", "mid", "/tickets", ticket, http.StatusConflict, "this number"},
		{"its number elsewhere", "side", "/tickets", ticket, http.StatusCreated, `"number":"T-50"`},
		{"unknown country", "mid", "/tickets", `{"number":"T-51","subject":"s","country":"XX"}`, http.StatusUnprocessableEntity, "country"},
		{"no subject", "mid", "/tickets", `{"number":"T-51"}`, http.StatusBadRequest, "subject"},
		{"unknown priority", "mid", "/tickets", `{"number":"T-51","subject":"s","priority":"max"}`, http.StatusBadRequest, "priority"},
		{"a tenant_id", "mid", "/tickets", `{"tenant_id":"x","number":"T-51","subject":"s"}`, http.StatusBadRequest, "unknown field"},
		{"no JSON", "mid", "/tickets", `number`, http.StatusBadRequest, "bad request"},
		{"too much", "mid", "/tickets", `{"subject":"` + strings.Repeat("x", maxBody) + `"}`, http.StatusBadRequest, "too large"},
		{"a comment", "mid", "/tickets/T-50/comments", `{"author":"ann","body":"Me too"}`, http.StatusCreated, `"Me too"`},
		{"on another's ticket", "leaf", "/tickets/T-50/comments", `{"author":"ann","body":"Me too"}`, http.StatusNotFound, "not found"},
		{"an empty comment", "mid", "/tickets/T-50/comments", `{"author":"ann"}`, http.StatusBadRequest, "body"},
		{"no comment", "mid", "/tickets/T-50/comments", ``, http.StatusBadRequest, "bad request"},
		{"a comment of nobody", "", "/tickets/T-50/comments", `{"author":"ann","body":"Me too"}`, http.StatusUnauthorized, "X-Tenant"},
	} {
		status, answer := request(t, h, "POST "+step.path, step.tenant, step.body)
		require.Equal(t, step.status, status, "%s: %s", step.name, answer)
		require.Contains(t, answer, step.says, step.name)
	}
	_, answer := request(t, h, "GET /tickets/T-50", "mid", "")
	require.Contains(t, answer, "Me too")
	_, answer = request(t, h, "GET /tickets/T-50", "side", "")
	require.NotContains(t, answer, "Me too")
}

func TestHandler_suspendedTenant(t *testing.T) {
	t.Parallel()
	d := openSmall(t)
	tenant, err := d.st.Tenants.BySlug(t.Context(), "leaf")
	require.NoError(t, err)
	require.NoError(t, d.st.Tenants.Suspend(t.Context(), tenant.ID))
	status, answer := request(t, d.handler(), "GET /tickets", "leaf", "")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, answer, "not active")
}

func TestStatusOf_unknownErrorsStayInside(t *testing.T) {
	t.Parallel()
	status, text := statusOf(errors.New("password of the database is secret"))
	require.Equal(t, http.StatusInternalServerError, status)
	require.NotContains(t, text, "secret")
	status, _ = statusOf(context.Canceled)
	require.Equal(t, http.StatusServiceUnavailable, status)
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
		code <- run(ctx, []string{
			"-serve", "-addr", "127.0.0.1:0", "-data", c.dataDir,
			"-dsn", c.dsn, "-system-dsn", c.systemDSN, "-owner-dsn", c.ownerDSN,
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
	require.Equal(t, exitOK, <-code, stderr.String())
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

func TestServe_addressInUse(t *testing.T) {
	t.Parallel()
	d := openSmall(t)
	busy := httptest.NewServer(http.NotFoundHandler())
	defer busy.Close()
	err := d.serve(t.Context(), strings.TrimPrefix(busy.URL, "http://"))
	require.ErrorContains(t, err, "address already in use")
}
