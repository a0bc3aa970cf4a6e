package dataset_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/examples/internal/dataset"
	"github.com/stratum-hq/stratum-go/examples/internal/desktest"
)

func TestReadDataset_builtIn(t *testing.T) {
	t.Parallel()
	data, err := dataset.Read(dataset.Files(""))
	require.NoError(t, err)
	require.Len(t, data.Tenants, 53)
	require.Len(t, data.Countries, 249)
	var total dataset.Counts
	for _, rows := range data.Rows {
		total.Add(rows.Count())
	}
	require.Equal(t, dataset.Counts{Tickets: 3159, Comments: 5064, Tags: 926}, total)
	isolations := map[core.Isolation]int{}
	for _, tenant := range data.Tenants {
		isolations[tenant.Isolation]++
	}
	require.Equal(t, map[core.Isolation]int{"": 49, core.SchemaIsolation: 3, core.DatabaseIsolation: 1}, isolations)
}

func TestReadDataset_keepsTextAsItStands(t *testing.T) {
	t.Parallel()
	data, err := dataset.Read(inMemory(nil))
	require.NoError(t, err)
	rows := data.Rows["mid"]
	require.Equal(t, `Second, "quoted"`, rows.Ticket("T-2").Subject)
	require.Equal(t, "  spaces  ", rows.Ticket("T-3").Subject)
	require.Equal(t, "two\nlines, a \"quote\" and ünïcode ✓", rows.Ticket("T-1").Comments[0].Body)
	require.Nil(t, rows.Ticket("T-2").Country)
	require.Nil(t, rows.Ticket("T-1").ClosedAt)
	require.Equal(t, `Next, "2"`, data.Tenants[5].Name)
}

func TestReadDataset_acceptsWhatSpreadsheetsWrite(t *testing.T) {
	t.Parallel()
	data, err := dataset.Read(inMemory(map[string]string{
		"countries.csv": "\uFEFFcode,name\r\nIE,Ireland\r\n NO , Norway \r\n",
	}))
	require.NoError(t, err)
	require.Equal(t, []dataset.Country{{Code: "IE", Name: "Ireland"}, {Code: "NO", Name: "Norway"}}, data.Countries)
}

func TestReadDataset_refuses(t *testing.T) {
	t.Parallel()
	const (
		ticket  = "mid,T-9,A subject,open,low,,,2025-01-01T10:00:00Z,\n"
		comment = "mid,T-1,ann,Hello,2025-01-01T11:00:00Z\n"
	)
	for name, test := range map[string]struct {
		file, row, says string
	}{
		"quote in the middle":   {"tickets.csv", `mid,T-9,A "subject`, `tickets.csv:9: bare " in non-quoted-field`},
		"quote without end":     {"comments.csv", "mid,T-1,ann,\"Hello\n", `comments.csv:8: extraneous or missing " in quoted-field`},
		"too few columns":       {"tickets.csv", "mid,T-9\n", "tickets.csv:9: wrong number of fields"},
		"not UTF-8":             {"comments.csv", "mid,T-1,ann,\xff,2025-01-01T11:00:00Z\n", "comments.csv:8: body is not UTF-8"},
		"NUL":                   {"comments.csv", "mid,T-1,ann,\x00,2025-01-01T11:00:00Z\n", "comments.csv:8: body has a NUL"},
		"unknown tenant":        {"tickets.csv", strings.Replace(ticket, "mid", "who", 1), `tickets.csv:9: unknown tenant "who"`},
		"unknown parent":        {"tenants.csv", "x,X,who,\n", `tenants.csv:8: unknown parent "who"`},
		"tenant twice":          {"tenants.csv", "mid,X,top,\n", `tenants.csv:8: tenant "mid" is there twice`},
		"isolation of nobody":   {"isolations.csv", "who,schema\n", `isolations.csv:2: unknown tenant "who"`},
		"unknown isolation":     {"isolations.csv", "mid,cloud\n", `isolations.csv:2: unknown isolation "cloud"`},
		"isolation twice":       {"isolations.csv", "mid,schema\nmid,shared\n", `isolations.csv:3: tenant "mid" is there twice`},
		"unknown country":       {"tickets.csv", strings.Replace(ticket, ",,,", ",,XX,", 1), `tickets.csv:9: unknown country "XX"`},
		"country twice":         {"countries.csv", "IE,Eire\n", `countries.csv:4: country "IE" is there twice`},
		"country code":          {"countries.csv", "IRL,Eire\n", `countries.csv:4: country code "IRL"`},
		"country without name":  {"countries.csv", "GB,\n", "countries.csv:4: name is empty"},
		"number twice":          {"tickets.csv", strings.Replace(ticket, "T-9", "T-1", 1), `tickets.csv:9: tenant "mid" has ticket "T-1" twice`},
		"no subject":            {"tickets.csv", strings.Replace(ticket, "A subject", " ", 1), "tickets.csv:9: subject is empty"},
		"status":                {"tickets.csv", strings.Replace(ticket, "open", "lost", 1), `tickets.csv:9: unknown status "lost"`},
		"priority":              {"tickets.csv", strings.Replace(ticket, "low", "max", 1), `tickets.csv:9: unknown priority "max"`},
		"requester":             {"tickets.csv", strings.Replace(ticket, ",,,", ",ann,,", 1), `tickets.csv:9: requester "ann"`},
		"time":                  {"tickets.csv", strings.Replace(ticket, "2025-01-01T", "1.1.2025 ", 1), "tickets.csv:9: opened_at"},
		"open but closed_at":    {"tickets.csv", strings.Replace(ticket, "Z,", "Z,2025-01-01T11:00:00Z", 1), "tickets.csv:9: closed_at goes with"},
		"closed before opened":  {"tickets.csv", strings.NewReplacer("open", "closed", "Z,", "Z,2024-01-01T11:00:00Z").Replace(ticket), "tickets.csv:9: the ticket is closed before"},
		"closed_at is no time":  {"tickets.csv", strings.NewReplacer("open", "closed", "Z,", "Z,soon").Replace(ticket), `tickets.csv:9: closed_at "soon"`},
		"unknown ticket":        {"comments.csv", strings.Replace(comment, "T-1", "T-77", 1), `comments.csv:8: tenant "mid" has no ticket "T-77"`},
		"comment of nobody":     {"comments.csv", strings.Replace(comment, "mid", "who", 1), `comments.csv:8: unknown tenant "who"`},
		"no author":             {"comments.csv", strings.Replace(comment, "ann", "", 1), "comments.csv:8: author is empty"},
		"comment's time":        {"comments.csv", strings.Replace(comment, "2025", "25", 1), "comments.csv:8: written_at"},
		"tag twice":             {"tags.csv", "mid,vip\n", `tags.csv:7: tenant "mid" has tag "vip" twice`},
		"tag of nobody":         {"tags.csv", "who,vip\n", `tags.csv:7: unknown tenant "who"`},
		"tag without name":      {"tags.csv", "mid,\n", "tags.csv:7: name is empty"},
		"unknown tag":           {"ticket_tags.csv", "leaf,T-1,slow\n", `ticket_tags.csv:7: tenant "leaf" has no tag "slow"`},
		"tagged ticket unknown": {"ticket_tags.csv", "leaf,T-2,vip\n", `ticket_tags.csv:7: tenant "leaf" has no ticket "T-2"`},
		"tagged twice":          {"ticket_tags.csv", "mid,T-1,vip\n", `ticket_tags.csv:7: ticket "T-1" has tag "vip" twice`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := dataset.Read(inMemory(map[string]string{test.file: desktest.Files(nil)[test.file] + test.row}))
			require.ErrorContains(t, err, test.says)
			require.ErrorAs(t, err, new(*dataset.InputError))
		})
	}
}

func TestReadDataset_refusesFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ content, says string }{
		"empty":         {"", "countries.csv:1: the file is empty"},
		"other columns": {"name,code\n", `countries.csv:1: the columns are "name,code" (they must be "code,name")`},
		"broken header": {"\"code,name\n", "countries.csv:1: extraneous"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := dataset.Read(inMemory(map[string]string{"countries.csv": test.content}))
			require.ErrorContains(t, err, test.says)
			require.ErrorAs(t, err, new(*dataset.InputError))
		})
	}
	files := inMemory(nil)
	delete(files, "tags.csv")
	_, err := dataset.Read(files)
	require.EqualError(t, err, "tags.csv: "+fs.ErrNotExist.Error())
}

// inMemory is the small dataset with some files replaced.
func inMemory(replaced map[string]string) fstest.MapFS {
	files := fstest.MapFS{}
	for name, content := range desktest.Files(replaced) {
		files[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return files
}
